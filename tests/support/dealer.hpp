// SPDX-License-Identifier: MIT
// The requests of a trace for many threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

namespace dcache::testing {

/// Deals the requests of a trace to threads, blocks in order. A thread that lost its core would
/// keep its block back for as long as the scheduler likes, and the requests would be quite another
/// trace: nobody gets a block that is more than `lag` requests ahead of one still being served.
class Dealer {
 public:
  Dealer(std::size_t end, unsigned threads, std::size_t block, std::size_t lag)
      : end_(end), block_(block), lag_(lag), serving_(threads) {}

  /// The first request of the next block of `thread`, whose last one is done; false: none is left.
  bool deal(unsigned thread, std::size_t& first) {
    serving_[thread].at.store(next_.load());  // No later than what it gets.
    first = next_.fetch_add(block_);
    const bool more = first < end_;
    serving_[thread].at.store(more ? first : end_);
    while (more && oldest() + lag_ < first) std::this_thread::yield();
    return more;
  }

  std::size_t end_of(std::size_t first) const { return std::min(first + block_, end_); }

 private:
  struct alignas(64) Serving {
    std::atomic<std::size_t> at{0};
  };

  std::size_t oldest() const {
    std::size_t oldest = end_;
    for (const Serving& serving : serving_) oldest = std::min(oldest, serving.at.load());
    return oldest;
  }

  const std::size_t end_;
  const std::size_t block_;
  const std::size_t lag_;
  std::atomic<std::size_t> next_{0};
  std::vector<Serving> serving_;
};

}  // namespace dcache::testing
