// SPDX-License-Identifier: MIT
#include "dcache/engine/lock.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

namespace dcache::engine {
namespace {

// The passages behind the lock take 50 to 200 ns: longer than this many looks and the holder is
// off its core, where spinning only keeps it from coming back.
constexpr int spins_max = 64;
constexpr int yields_max = 8;
constexpr std::chrono::microseconds nap_first{20};
constexpr std::chrono::microseconds nap_longest{640};

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
  std::chrono::microseconds nap = nap_first;
  for (int look = 0;; ++look) {
    std::uint32_t seen = word_.load(std::memory_order_relaxed);
    const bool left_behind = seen != free && seen != mine;
    if (seen == free || left_behind) {
      if (word_.compare_exchange_weak(seen, mine, std::memory_order_acquire,
                                      std::memory_order_relaxed)) {
        return left_behind;
      }
    } else if (look < spins_max) {
      pause_core();
    } else if (look < spins_max + yields_max) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(nap);
      nap = std::min(2 * nap, nap_longest);
    }
  }
}

}  // namespace dcache::engine
