// SPDX-License-Identifier: MIT
/// One caller of a backend beside one of a blocking client.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <utility>

#include "dcache/engine/backend.hpp"
#include "dcache/engine/operation.hpp"

#include "bars.hpp"
#include "paired.hpp"

namespace dcache::bench {

/// Gets one record through the public engine: an operation, which this thread waits for.
template <class Backend>
class Alone {
 public:
  /// Puts the record. Throws std::runtime_error.
  template <class Options>
  Alone(Options&& options, std::string key, std::size_t size)
      : backend_(std::forward<Options>(options)), key_(std::move(key)), size_(size) {
    const auto put = engine::make_op(engine::Verb::put, key_, in_time());
    put->items[0].value = std::string(size, 'x');
    put->items[0].expires = engine::no_end;
    backend_.submit(put);
    if (!put->wait() || put->items[0].reply != engine::Reply::done) {
      throw std::runtime_error("put: " + put->trouble());
    }
  }

  void get() {
    const auto op = engine::make_op(engine::Verb::get, key_, in_time());
    op->attend();
    backend_.submit(op);
    if (!op->wait() || op->items[0].value.size() != size_) std::abort();
  }

 private:
  static engine::SteadyMoment in_time() {
    return std::chrono::steady_clock::now() + std::chrono::seconds(10);
  }

  Backend backend_;
  const std::string key_;
  const std::size_t size_;
};

/// `get` of both in turns, `slice` nanoseconds each.
template <class Ours, class Theirs>
Bar time_alone(Ours& ours, Theirs& theirs, const std::string& name, double slice,
               std::size_t rounds, double limit) {
  Paired paired(slice);
  const auto times = [](auto& client) {
    return [&client](unsigned, std::size_t operations) {
      for (std::size_t i = 0; i < operations; ++i) client.get();
    };
  };
  const std::size_t base = paired.add({"theirs, one caller", 1, nullptr, times(theirs)});
  const std::size_t mine = paired.add({"ours, one caller", 1, nullptr, times(ours)});
  paired.run(rounds);
  return bar_of(paired, name, mine, base, limit);
}

}  // namespace dcache::bench
