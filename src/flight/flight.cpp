// SPDX-License-Identifier: MIT
#include "dcache/engine/flight.hpp"

#include <algorithm>
#include <mutex>
#include <utility>

#include "dcache/engine/context.hpp"
#include "dcache/engine/waiter.hpp"

namespace dcache::engine {

std::chrono::nanoseconds patience(const FlightLimits& limits, unsigned takeovers) noexcept {
  using std::chrono::nanoseconds;
  constexpr nanoseconds most = std::chrono::hours(24 * 365);
  constexpr unsigned doublings_max = 30;
  const nanoseconds cost = std::min(limits.cost, most / 3);
  const nanoseconds once = std::min(std::max(limits.flight_timeout, 3 * cost), most);
  const auto factor = nanoseconds::rep{1} << std::min(takeovers, doublings_max);
  return once > most / factor ? most : once * factor;
}

Flight::Flight(std::uint64_t hash, SteadyTime now) noexcept
    : hash_(hash), generation_(fork_generation()), started_(now) {}

std::size_t Flight::waiters() const noexcept {
  if (left_behind()) return 0;
  const std::scoped_lock held(lock_);
  return waiters_;
}

unsigned Flight::runners() const noexcept {
  if (left_behind()) return 0;
  const std::scoped_lock held(lock_);
  return runners_;
}

unsigned Flight::takeovers() const noexcept {
  if (left_behind()) return 0;
  const std::scoped_lock held(lock_);
  return takeovers_;
}

bool Flight::leave(Waiter& waiter) noexcept {
  Context dropped;  // Outlives the lock: the last reference to a flight may run user destructors.
  if (left_behind()) {
    waiter.enlisted_ = false;
    return true;
  }
  const std::scoped_lock held(lock_);
  // The node of a waiter that was told belongs to its owner again: the phase is looked at first.
  if (phase_ == Phase::landed || !waiter.enlisted_) return false;
  unlink(waiter, dropped);
  return true;
}

SteadyTime Flight::deadline(const FlightLimits& limits) const noexcept {
  if (left_behind()) return SteadyTime();  // Long past: nobody runs it here.
  const std::scoped_lock held(lock_);
  return due(limits);
}

SteadyTime Flight::due(const FlightLimits& limits) const noexcept {
  return queued_ ? started_ : started_ + patience(limits, takeovers_);
}

Turn Flight::try_take_over(Waiter& waiter, const FlightLimits& limits, SteadyTime now) noexcept {
  Context dropped;
  if (left_behind()) {
    waiter.enlisted_ = false;
    return Turn::take_over;
  }
  const std::scoped_lock held(lock_);
  if (phase_ == Phase::landed || phase_ == Phase::claimed || !waiter.enlisted_ ||
      now < due(limits)) {
    return Turn::keep_waiting;
  }
  unlink(waiter, dropped);
  if (phase_ == Phase::settled) return Turn::landed;
  started_ = now;
  if (std::exchange(queued_, false)) return Turn::take_over;  // In the leader's place.
  ++takeovers_;
  ++runners_;
  return Turn::take_over;
}

bool Flight::start(SteadyTime now) noexcept {
  if (left_behind()) return true;
  const std::scoped_lock held(lock_);
  if (phase_ == Phase::settled || phase_ == Phase::landed) {
    --runners_;
    return false;
  }
  started_ = now;
  return true;
}

void Flight::queue() noexcept {
  if (left_behind()) return;
  const std::scoped_lock held(lock_);
  queued_ = true;
}

bool Flight::unqueue() noexcept {
  if (left_behind()) return true;
  const std::scoped_lock held(lock_);
  return std::exchange(queued_, false);
}

bool Flight::claim() noexcept {
  if (left_behind()) return false;
  const std::scoped_lock held(lock_);
  --runners_;
  if (phase_ != Phase::flying) return false;
  phase_ = Phase::claimed;
  return true;
}

void Flight::settle() noexcept {
  const std::scoped_lock held(lock_);
  phase_ = Phase::settled;
}

void Flight::tell_landed() noexcept {
  if (left_behind()) return;
  Waiter* told = nullptr;
  {
    const std::scoped_lock held(lock_);
    phase_ = Phase::landed;
    told = std::exchange(first_, nullptr);
    last_ = nullptr;
    waiters_ = nested_ = 0;
  }
  while (told != nullptr) {
    // The node is its owner's, and perhaps gone, as soon as it is told.
    Waiter* const next = std::exchange(told->next_, nullptr);
    told->previous_ = nullptr;
    told->enlisted_ = false;
    const Context dropped = std::exchange(told->inside_, {});
    told->landed();
    told = next;
  }
}

bool Flight::pass_on(SteadyTime now) noexcept {
  if (left_behind()) return false;
  for (;;) {
    Waiter* next = nullptr;
    Context dropped;
    {
      const std::scoped_lock held(lock_);
      next = first_;
      if (runners_ > 1 || phase_ != Phase::flying) {
        --runners_;
        return false;
      }
      if (next == nullptr) {
        --runners_;
        phase_ = Phase::vacated;
        // Invalidations will not find it any more, so nothing of it may be stored.
        detached_.store(true, std::memory_order_release);
        return true;
      }
      unlink(*next, dropped);
      started_ = now;
    }
    if (next->lead()) return false;
  }
}

void Flight::link(Waiter& waiter) noexcept {
  waiter.next_ = nullptr;
  waiter.previous_ = last_;
  (last_ != nullptr ? last_->next_ : first_) = &waiter;
  last_ = &waiter;
  waiter.enlisted_ = true;
  ++waiters_;
  if (!waiter.inside_.empty()) ++nested_;
}

void Flight::unlink(Waiter& waiter, Context& dropped) noexcept {
  (waiter.previous_ != nullptr ? waiter.previous_->next_ : first_) = waiter.next_;
  (waiter.next_ != nullptr ? waiter.next_->previous_ : last_) = waiter.previous_;
  waiter.next_ = waiter.previous_ = nullptr;
  waiter.enlisted_ = false;
  --waiters_;
  if (!waiter.inside_.empty()) --nested_;
  std::swap(waiter.inside_, dropped);
}

}  // namespace dcache::engine
