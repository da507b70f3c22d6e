// SPDX-License-Identifier: MIT
/// Leaves a tier alone that does not answer.
///
/// Closed: everybody asks. It opens after five failures in a row, or when half of twenty or more
/// within ten seconds failed. Open: nobody asks, for a second, and twice as long each time, up to
/// half a minute, give or take a quarter. Half-open: one asks, and his answer closes or opens it.
/// Thread-safe; while closed `allows` is one relaxed load.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "dcache/engine/lock.hpp"
#include "dcache/engine/operation.hpp"

namespace dcache::engine {

class Breaker {
 public:
  /// Whether to ask now. Who was allowed says how it went, or that he did not ask.
  bool allows(SteadyMoment now) noexcept {
    return !open_.load(std::memory_order_relaxed) || allows_probe(now);
  }
  void not_asked() noexcept;
  void succeeded(SteadyMoment now) noexcept;
  void failed(SteadyMoment now) noexcept;
  /// "closed", "open", "half-open".
  const char* state() const noexcept;

 private:
  static constexpr unsigned in_a_row_max = 5;
  static constexpr unsigned window_min = 20;
  static constexpr std::chrono::seconds window{10};

  bool allows_probe(SteadyMoment now) noexcept;
  void begin_window(SteadyMoment now) noexcept;
  void open(SteadyMoment now) noexcept;

  std::atomic<bool> open_{false};
  std::atomic<bool> failing_{false};  // There is something that a success has to reset.
  mutable Lock lock_;
  // Guarded by lock_.
  unsigned in_a_row_ = 0;
  unsigned asked_ = 0;
  unsigned failed_ = 0;
  SteadyMoment window_began_;
  SteadyMoment open_until_;
  SteadyMoment probe_until_;  // Somebody asks; if he never says how it went, others may.
  std::chrono::milliseconds open_for_{0};
};

}  // namespace dcache::engine
