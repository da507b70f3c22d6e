// SPDX-License-Identifier: MIT
/// Waiting for another thread to end a short passage of our own code: looks, then turns of others,
/// then naps.
#pragma once

#include <algorithm>
#include <chrono>
#include <thread>

namespace dcache::engine {

class ShortWait {
 public:
  /// To be called between two looks.
  void pause() noexcept {
    if (looks_ < spins_max) {
      pause_core();
    } else if (looks_ < spins_max + yields_max) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(nap_);
      nap_ = std::min(2 * nap_, nap_longest);
      return;
    }
    ++looks_;
  }

 private:
  // The passages take 50 to 200 ns: longer than this many looks and who is inside is off its core,
  // where spinning only keeps it from coming back.
  static constexpr int spins_max = 64;
  static constexpr int yields_max = 8;
  static constexpr std::chrono::microseconds nap_first{20};
  static constexpr std::chrono::microseconds nap_longest{640};

  static void pause_core() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }

  int looks_ = 0;
  std::chrono::microseconds nap_ = nap_first;
};

}  // namespace dcache::engine
