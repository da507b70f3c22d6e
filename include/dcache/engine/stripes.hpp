// SPDX-License-Identifier: MIT
/// Counters that are always on and cost a hit next to nothing.
///
/// A thread gets a stripe of its own, one cache line, and counts there with a plain load and store.
/// Threads beyond `stripes_own` share the last stripe and pay an atomic addition. Sums are exact.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "dcache/engine/hot.hpp"

namespace dcache::engine {

inline constexpr unsigned stripes_own = 31;

namespace stripes_detail {
inline constexpr unsigned unassigned = ~0U;
/// The stripe of this thread; constant-initialised, so that reading it needs no guard.
inline thread_local constinit unsigned mine = unassigned;  // Or a stripe, or `stripes_own`.
/// Gives this thread a stripe until it ends; the shared one (`stripes_own`) if none is free.
unsigned assign() noexcept;
}  // namespace stripes_detail

/// `N` counters, at most eight. Thread-safe.
template <std::size_t N>
class Stripes {
  static_assert(N <= 8, "one cache line a thread");

 public:
  DCACHE_HOT void count(std::size_t counter) noexcept {
    const unsigned mine = stripes_detail::mine;
    if (mine >= stripes_own) [[unlikely]]
      return count_shared(counter);
    std::atomic<std::uint64_t>& cell = lines_[mine].counts[counter];  // Nobody else writes here.
    cell.store(cell.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  /// What all threads have counted so far.
  std::uint64_t sum(std::size_t counter) const noexcept {
    std::uint64_t total = 0;
    for (const Line& line : lines_) total += line.counts[counter].load(std::memory_order_relaxed);
    return total;
  }

 private:
  struct alignas(64) Line {
    std::array<std::atomic<std::uint64_t>, N> counts{};
  };

  [[gnu::noinline]] void count_shared(std::size_t counter) noexcept {
    if (stripes_detail::mine == stripes_detail::unassigned) stripes_detail::assign();
    lines_[stripes_detail::mine].counts[counter].fetch_add(1, std::memory_order_relaxed);
  }

  std::array<Line, stripes_own + 1> lines_{};
};

}  // namespace dcache::engine
