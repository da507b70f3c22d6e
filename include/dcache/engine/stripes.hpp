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
inline constexpr unsigned stripe_size = 8;  // Counters: one cache line.

namespace stripes_detail {
inline constexpr unsigned unassigned = ~0U;
/// The first counter of this thread's stripe; constant-initialised, so that reading it needs no
/// guard.
inline thread_local constinit unsigned mine = unassigned;
/// Gives this thread a stripe until it ends; the last one, which is shared, if none is free.
unsigned assign() noexcept;
}  // namespace stripes_detail

/// `N` counters, at most eight. Thread-safe.
template <std::size_t N>
class Stripes {
  static_assert(N <= stripe_size, "one cache line a thread");

 public:
  DCACHE_HOT void count(std::size_t counter) noexcept {
    const unsigned mine = stripes_detail::mine;
    if (mine >= stripes_own * stripe_size) [[unlikely]]
      return count_shared(counter);
    std::atomic<std::uint64_t>& cell = counts_[mine + counter];  // Nobody else writes here.
    cell.store(cell.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  /// What all threads have counted so far.
  std::uint64_t sum(std::size_t counter) const noexcept {
    std::uint64_t total = 0;
    for (std::size_t at = counter; at < counts_.size(); at += stripe_size) {
      total += counts_[at].load(std::memory_order_relaxed);
    }
    return total;
  }

 private:
  [[gnu::noinline]] void count_shared(std::size_t counter) noexcept {
    if (stripes_detail::mine == stripes_detail::unassigned) stripes_detail::assign();
    counts_[stripes_detail::mine + counter].fetch_add(1, std::memory_order_relaxed);
  }

  alignas(64) std::array<std::atomic<std::uint64_t>, (stripes_own + 1) * stripe_size> counts_{};
};

}  // namespace dcache::engine
