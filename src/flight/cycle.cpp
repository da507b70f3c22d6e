// SPDX-License-Identifier: MIT
// Joining a flight, and who waits for whom.
//
// There is no graph besides the flights: a waiter in the list of flight F that is inside of G says
// that G waits for F. Such edges are added only under one lock of all searches, so that of the
// waits which would close a cycle the last one sees the others; they vanish by themselves as soon
// as the waiter is told or leaves. A waiter inside of nothing is no edge and never takes that lock.
#include <mutex>
#include <utility>

#include "dcache/engine/context.hpp"
#include "dcache/engine/flight.hpp"
#include "dcache/engine/waiter.hpp"

namespace dcache::engine {
namespace {

constinit Lock searching;              // Taken before the lock of a flight, never after.
constinit std::uint64_t searches = 0;  // Guarded by searching.

}  // namespace

Joining Flight::enlist(Waiter& waiter) {
  if (left_behind()) return Joining::vacated;
  Context context = Context::capture();
  if (context.empty()) return admit(waiter, context);
  if (context.inside(*this)) return Joining::compute_through;

  Reached reached;  // Outlives the lock: the last reference may run user destructors.
  const std::scoped_lock held(searching);
  if (would_wait_for_itself(context, reached)) return Joining::compute_through;
  return admit(waiter, context);
}

Joining Flight::admit(Waiter& waiter, Context& context) noexcept {
  const std::scoped_lock held(lock_);
  if (phase_ == Phase::landed) return Joining::landed;
  if (phase_ == Phase::vacated) return Joining::vacated;
  std::swap(waiter.inside_, context);
  link(waiter);
  return Joining::waiting;
}

// Starting from the flights that the caller is inside of, walks to all that wait for them: is this
// one among them? Each flight is visited once.
bool Flight::would_wait_for_itself(const Context& context, Reached& reached) {
  const std::uint64_t search = ++searches;
  context.each([&](Flight& flight) { flight.reach(search, reached); });
  for (std::size_t next = 0; next < reached.size() && search_ != search; ++next) {
    const Ref<Flight> flight = reached[next];  // A copy: `reached` grows meanwhile.
    flight->reach_waiting(search, reached);
  }
  return search_ == search;
}

void Flight::reach(std::uint64_t search, Reached& reached) {
  // The lists of a flight that a fork left behind may have been caught in the middle of a change.
  if (search_ == search || left_behind()) return;
  reached.emplace_back(this);
  search_ = search;
}

void Flight::reach_waiting(std::uint64_t search, Reached& reached) {
  const std::scoped_lock held(lock_);
  if (nested_ == 0) return;
  for (const Waiter* waiter = first_; waiter != nullptr; waiter = waiter->next_) {
    waiter->inside_.each([&](Flight& flight) { flight.reach(search, reached); });
  }
}

}  // namespace dcache::engine
