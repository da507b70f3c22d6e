// SPDX-License-Identifier: MIT
/// Time as a parameter. Whatever expires asks a clock; tests hand in one that they move by hand.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <ctime>

#include "dcache/engine/hot.hpp"

namespace dcache {

/// Any `std::chrono` duration converts to this one without loss: `10min`, `1500ms`.
using Duration = std::chrono::nanoseconds;

/// A clock that never goes back. Thread-safe: `now` is called from any thread, also while a lock
/// of the library is held, so an implementation must be short and must not call back.
class Clock {
 public:
  virtual ~Clock() = default;

  /// The time since a fixed moment of the clock's own choice; never less than it said before.
  virtual Duration now() const noexcept = 0;
};

namespace engine {

/// How the coarse clock is read: `read(id, &time)`, with 0 for a success that always comes.
struct CoarseClock {
  int (*read)(int id, std::timespec* time);
  int id;
};

/// Written once, before `main`; any thread may read it at any time.
extern CoarseClock coarse_clock;

DCACHE_HOT inline std::timespec coarse_time() noexcept {
  std::timespec time;
  coarse_clock.read(coarse_clock.id, &time);
  return time;
}

}  // namespace engine

/// The clock of the machine at the cheapest resolution that keeps expiry exact to 10 ms.
/// Linux: CLOCK_MONOTONIC_COARSE (4 ms steps), asked of the kernel's page itself: 2 ns a call,
/// through the C library 3, CLOCK_MONOTONIC 20. Elsewhere: `std::chrono::steady_clock`.
inline Duration coarse_now() noexcept {
  const std::timespec time = engine::coarse_time();
  return std::chrono::seconds(time.tv_sec) + Duration(time.tv_nsec);
}

/// The same in whole milliseconds.
DCACHE_HOT inline std::uint64_t coarse_milliseconds() noexcept {
  const std::timespec time = engine::coarse_time();
  return static_cast<std::uint64_t>(time.tv_sec) * 1000 +
         static_cast<std::uint32_t>(time.tv_nsec) / 1'000'000U;
}

/// A clock that stands still until told to move. Thread-safe.
class ManualClock final : public Clock {
 public:
  Duration now() const noexcept override {
    return Duration(ticks_.load(std::memory_order_acquire));
  }

  /// Moves the clock forward. REQUIRES: by >= 0.
  void advance(Duration by) noexcept { ticks_.fetch_add(by.count(), std::memory_order_acq_rel); }

 private:
  std::atomic<Duration::rep> ticks_{0};
};

}  // namespace dcache
