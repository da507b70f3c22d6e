// SPDX-License-Identifier: MIT
#include "dcache/engine/lock.hpp"

#include "base/short_wait.hpp"

namespace dcache::engine {

bool Lock::lock_contended() noexcept {
  const std::uint32_t mine = held_mark();
  for (ShortWait wait;;) {
    std::uint32_t seen = word_.load(std::memory_order_relaxed);
    const bool left_behind = seen != free && seen != mine;
    if (seen == free || left_behind) {
      if (word_.compare_exchange_weak(seen, mine, std::memory_order_acquire,
                                      std::memory_order_relaxed)) {
        return left_behind;
      }
    } else {
      wait.pause();
    }
  }
}

}  // namespace dcache::engine
