// SPDX-License-Identifier: MIT
/// How much many threads get done together, each of which waits for its own.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <vector>

namespace dcache::bench {

/// Several ways to do the same, in turns: in each round every one of them for a while. Operations a
/// second of all threads together, round by round.
class Crowd {
 public:
  static constexpr std::chrono::milliseconds slice{150};
  static constexpr std::chrono::milliseconds warm_up{30};

  explicit Crowd(unsigned threads) : threads_(threads) {}

  /// One operation of one thread, numbered from 0. Returns the number of the way.
  std::size_t add(std::function<void(unsigned thread)> operation);
  void run(std::size_t rounds);
  const std::vector<double>& rates(std::size_t way) const { return ways_[way].rates; }

 private:
  struct Way {
    std::function<void(unsigned)> operation;
    std::vector<double> rates;
  };

  double rate(const Way& way) const;

  const unsigned threads_;
  std::vector<Way> ways_;
};

}  // namespace dcache::bench
