// SPDX-License-Identifier: MIT
/// Time as a parameter. Whatever expires asks a clock; tests hand in one that they move by hand.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

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

/// The clock of the machine at the cheapest resolution that keeps expiry exact to 10 ms.
/// Linux: CLOCK_MONOTONIC_COARSE (4 ms steps; 5 ns a call where CLOCK_MONOTONIC took 24 ns).
/// Elsewhere: `std::chrono::steady_clock`.
Duration coarse_now() noexcept;

/// The same in whole milliseconds.
std::uint64_t coarse_milliseconds() noexcept;

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
