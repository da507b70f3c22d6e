// SPDX-License-Identifier: MIT
/// The one lock of the engine: four bytes; who waits spins for a moment, then sleeps in short
/// turns.
///
/// It protects short passages of our own code only: no user code, no I/O and no allocation that
/// may block ever runs inside. That is also why it may spin, and why nobody is woken: a wake-up
/// would make every release an exchange instead of a plain store: 6.3 ns a passage, not 3.1.
///
/// Fork: a lock that a thread of the parent held at the fork can be taken in the child, where that
/// thread does not exist. `lock` then says so, and the owner of the data decides what to do with
/// what was caught in the middle of a change.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>

#include "dcache/engine/fork.hpp"

namespace dcache::engine {

/// Satisfies Lockable. Not recursive, not fair.
class Lock {
 public:
  /// Takes the lock. True: it was taken from a thread that a fork left behind.
  bool lock() noexcept {
    std::uint32_t expected = free;
    const std::uint32_t mine = held_mark();
    if (word_.compare_exchange_strong(expected, mine, std::memory_order_acquire,
                                      std::memory_order_relaxed)) [[likely]] {
      return false;
    }
    return lock_contended();
  }

  /// The same, without an atomic step, for a thread that no other can meet here (`Bias`).
  bool lock_alone() noexcept {
    const std::uint32_t seen = word_.load(std::memory_order_relaxed);
    const std::uint32_t mine = held_mark();
    if (seen == mine) [[unlikely]]
      std::abort();  // From inside (a new_handler, a signal): with a step it would hang for ever.
    word_.store(mine, std::memory_order_relaxed);
    // A fork must find it held before anything is changed.
    std::atomic_signal_fence(std::memory_order_seq_cst);
    return seen != free;
  }

  bool try_lock() noexcept {
    std::uint32_t expected = free;
    return word_.load(std::memory_order_relaxed) == free &&
           word_.compare_exchange_strong(expected, held_mark(), std::memory_order_acquire,
                                         std::memory_order_relaxed);
  }

  void unlock() noexcept { word_.store(free, std::memory_order_release); }

 private:
  // Bit 0: held. The rest: the fork generation of the holder.
  static constexpr std::uint32_t free = 0;
  static constexpr std::uint32_t held = 1;

  static std::uint32_t held_mark() noexcept { return fork_generation() << 1 | held; }
  bool lock_contended() noexcept;

  std::atomic<std::uint32_t> word_{free};
};

}  // namespace dcache::engine
