// SPDX-License-Identifier: MIT
#include "dcache/engine/lock.hpp"

#include <thread>

namespace dcache::engine {
namespace {

// The passages behind the lock take 50 to 200 ns: longer than this many looks and the holder is
// off its core, where spinning only keeps it from coming back.
constexpr int spins_max = 64;

inline void pause_core() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

bool Lock::lock_contended() noexcept {
  const std::uint32_t mine = held_mark();
  for (int spin = 0;; ++spin) {
    std::uint32_t seen = word_.load(std::memory_order_relaxed);
    const bool left_behind = (seen & held) != 0 && ((seen ^ mine) & ~(held | waiters)) != 0;
    if (seen == free || left_behind) {
      // Whoever waited keeps the mark of waiters: there may be others behind it.
      const std::uint32_t next = spin < spins_max ? mine : mine | waiters;
      if (word_.compare_exchange_weak(seen, next, std::memory_order_acquire,
                                      std::memory_order_relaxed)) {
        return left_behind;
      }
      continue;
    }
    if (spin < spins_max) {
      pause_core();
      continue;
    }
    if ((seen & waiters) == 0 &&
        !word_.compare_exchange_weak(seen, seen | waiters, std::memory_order_relaxed)) {
      continue;
    }
    word_.wait(seen | waiters, std::memory_order_relaxed);
  }
}

void Lock::wake() noexcept { word_.notify_one(); }

}  // namespace dcache::engine
