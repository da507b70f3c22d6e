// SPDX-License-Identifier: MIT
#include "dcache/engine/waiter.hpp"

#include <algorithm>

namespace dcache::engine {

using std::chrono::nanoseconds;

void ThreadWaiter::landed() noexcept { tell(Told::landed); }

bool ThreadWaiter::lead() noexcept {
  const std::scoped_lock held(mutex_);
  told_ = declines_ ? Told::declined : Told::lead;
  changed_.notify_one();
  return !declines_;
}

// Notifies under the mutex: the thread may destroy the node as soon as it can take it.
void ThreadWaiter::tell(Told told) noexcept {
  const std::scoped_lock held(mutex_);
  told_ = told;
  changed_.notify_one();
}

void ThreadWaiter::begin(bool declines) {
  const std::scoped_lock held(mutex_);
  told_ = Told::nothing;
  declines_ = declines;
}

void ThreadWaiter::decline() noexcept {
  const std::scoped_lock held(mutex_);
  declines_ = true;
}

ThreadWaiter::Told ThreadWaiter::sleep(nanoseconds at_most) {
  // Never zero: whoever is late for a reason that lasts must not spin.
  constexpr nanoseconds least = std::chrono::milliseconds(1);
  constexpr nanoseconds most = std::chrono::hours(1);
  std::unique_lock held(mutex_);
  changed_.wait_for(held, std::clamp(std::min(at_most, look_every_), least, most),
                    [&] { return told_ != Told::nothing; });
  return told_;
}

ThreadWaiter::Told ThreadWaiter::sleep_until_told() {
  std::unique_lock held(mutex_);
  changed_.wait(held, [&] { return told_ != Told::nothing; });
  return told_;
}

Waited Flight::wait(ThreadWaiter& waiter, const FlightLimits& limits) {
  using Told = ThreadWaiter::Told;
  waiter.begin(limits.wait.has_value());
  switch (enlist(waiter)) {
    case Joining::waiting:
      break;
    case Joining::landed:
      return Waited::landed;
    case Joining::vacated:
      return Waited::vacated;
    case Joining::compute_through:
      return Waited::compute_through;
  }
  const SteadyTime entered = limits.now();
  for (SteadyTime now = entered;; now = limits.now()) {
    const nanoseconds waited = now - entered;
    if (limits.wait && waited >= *limits.wait) return give_up(waiter, Waited::timed_out);
    const nanoseconds rest = limits.wait ? *limits.wait - waited : deadline(limits) - now;
    const Told told = waiter.sleep(rest);
    if (told == Told::landed) return Waited::landed;
    if (told == Told::lead) return Waited::lead;
    if (told == Told::declined) return Waited::timed_out;
    if (!waiter.look()) return give_up(waiter, Waited::interrupted);
    if (limits.wait) continue;
    const Turn turn = try_take_over(waiter, limits, limits.now());
    if (turn == Turn::take_over) return Waited::take_over;
    if (turn == Turn::landed) return Waited::landed;
  }
}

Waited Flight::give_up(ThreadWaiter& waiter, Waited reason) noexcept {
  waiter.decline();
  if (leave(waiter)) return reason;
  // Somebody is telling it right now; the answer decides.
  switch (waiter.sleep_until_told()) {
    case ThreadWaiter::Told::landed:
      return Waited::landed;
    case ThreadWaiter::Told::lead:
      return Waited::lead;
    default:
      return reason;
  }
}

}  // namespace dcache::engine
