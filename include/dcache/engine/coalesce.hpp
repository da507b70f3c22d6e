// SPDX-License-Identifier: MIT
/// One computation per key, for callers that may block: join or lead, wait, take over, compute
/// through, written once.
///
///   const FlightCall call{hash, view, make_key, recheck, body, commit};
///   auto answer = coalesce(flights, call, limits);
///
/// The functions throw what equality and `make_key` throw and std::bad_alloc. The exceptions of
/// the body, of `recheck` and of `commit` are in the answer.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <optional>
#include <utility>

#include "dcache/engine/context.hpp"
#include "dcache/engine/flights.hpp"
#include "dcache/engine/idle_flights.hpp"
#include "dcache/engine/waiter.hpp"

namespace dcache::engine {

/// One call of a function. References are borrowed for as long as the call takes.
template <class View, class MakeKey, class Recheck, class Body, class Commit>
struct FlightCall {
  std::uint64_t hash;
  const View& view;  ///< What the keys of the flights are compared with.
  MakeKey make_key;  ///< `Key()`
  /// `std::optional<Value>(const std::atomic<bool>& detached)`: filled meanwhile, or to be had
  /// elsewhere? Asked before the body is run.
  Recheck recheck;
  Body body;      ///< Its result is what a Value is made of.
  Commit commit;  ///< `(const Value&, const std::atomic<bool>& detached)`: see `Flights::land`.
};
template <class View, class MakeKey, class Recheck, class Body, class Commit>
FlightCall(std::uint64_t, const View&, MakeKey, Recheck, Body, Commit)
    -> FlightCall<View, MakeKey, Recheck, Body, Commit>;

/// Thrown by a body whose runner was cancelled: the flight goes to a waiter instead of failing, and
/// `reason` is the answer of this caller alone.
struct Abandon {
  std::exception_ptr reason;
};

/// What a call came to.
template <class Flights>
struct Answer {
  using Value = typename Flights::value_type;

  /// Shared with everybody who was in the flight; null if the outcome is the caller's own.
  Ref<typename Flights::Flown> flight;
  Outcome<Value> own;
  /// The caller's own trouble in storing: the others have the value.
  std::exception_ptr commit_error = nullptr;
  bool ran = false;                  ///< The body ran here.
  std::chrono::nanoseconds cost{0};  ///< How long it took, if it ran.
  bool timed_out = false;            ///< No outcome: `FlightLimits::wait` passed.
  bool interrupted = false;          ///< No outcome: `ThreadWaiter::look` said so.

  const Value* value() const noexcept {
    return error() != nullptr ? nullptr : flight ? flight->outcome().value() : own.value();
  }
  std::exception_ptr error() const noexcept {
    if (commit_error != nullptr) return commit_error;
    return flight ? flight->outcome().error() : own.error();
  }
  /// The value, moved out if nobody else can see it; rethrows the error. REQUIRES: an outcome.
  Value take() && {
    if (const std::exception_ptr thrown = error()) std::rethrow_exception(thrown);
    if (!flight) return std::move(*own.value());
    if (flight->unique()) return std::move(*flight->outcome().value());
    return *std::as_const(*flight).outcome().value();
  }
};

namespace flight_detail {

template <class Value, class Body>
Outcome<Value> attempt(Body& body) {
  try {
    return Outcome<Value>::of(body());
  } catch (const Abandon&) {
    throw;
  } catch (...) {
    const std::exception_ptr error = std::current_exception();
    if (error == nullptr) throw;  // No exception of C++: the thread is being cancelled.
    return Outcome<Value>::failed(error);
  }
}

// Runs the body unless the value has come meanwhile.
template <class Flights, class Call>
void compute(Answer<Flights>& answer, const Call& call, const FlightLimits& limits,
             const std::atomic<bool>& detached) {
  const auto find_or_run = [&]() -> typename Flights::value_type {
    if (auto found = call.recheck(detached)) return std::move(*found);
    answer.ran = true;
    return call.body();
  };
  const SteadyTime begun = limits.now();
  answer.own = attempt<typename Flights::value_type>(find_or_run);
  if (answer.ran) answer.cost = limits.now() - begun;
}

template <class Flights, class Call>
Answer<Flights> compute_through(const Call& call, const FlightLimits& limits) {
  Answer<Flights> answer;
  answer.ran = true;
  const SteadyTime begun = limits.now();
  try {
    answer.own = attempt<typename Flights::value_type>(call.body);
  } catch (const Abandon& abandon) {
    answer.own = Outcome<typename Flights::value_type>::failed(abandon.reason);
  }
  answer.cost = limits.now() - begun;
  return answer;
}

}  // namespace flight_detail

/// Runs a flight that the caller leads: a background task with what `begin_flight` gave it, for
/// one.
template <class Flights, class Call>
Answer<Flights> lead_flight(Leadership<Flights> leadership, const Call& call,
                            const FlightLimits& limits) {
  Answer<Flights> answer;
  if (!leadership.flight()->start(limits.now())) {
    answer.flight = leadership.resign();
    return answer;
  }
  try {
    const Inside inside(leadership.flight());
    flight_detail::compute(answer, call, limits, leadership.flight()->guard());
  } catch (const Abandon& abandon) {
    answer.own = Outcome<typename Flights::value_type>::failed(abandon.reason);
    return answer;
  }
  Ref<typename Flights::Flown> flight = leadership.flight();
  const auto commit = [&](const auto& value, const auto& detached) {
    if (answer.ran) call.commit(value, detached);
  };
  const Landing landing = leadership.land(answer.own, commit);
  answer.commit_error = landing.commit_error;
  if (landing.first) answer.flight = std::move(flight);
  return answer;
}

/// What comes after a wait for a flight that the caller joined: its outcome, or the body, where
/// that falls to the caller. Nothing: it was vacated; look the key up again.
template <class Flights, class Call>
std::optional<Answer<Flights>> after_waiting(Waited waited, Flights& flights,
                                             Ref<typename Flights::Flown> flight, const Call& call,
                                             const FlightLimits& limits) {
  Answer<Flights> answer;
  switch (waited) {
    case Waited::vacated:
      return std::nullopt;
    case Waited::timed_out:
      answer.timed_out = true;
      return answer;
    case Waited::interrupted:
      answer.interrupted = true;
      return answer;
    case Waited::compute_through:
      return flight_detail::compute_through<Flights>(call, limits);
    case Waited::landed:
      break;
    case Waited::lead:
    case Waited::take_over:
      return engine::lead_flight(Leadership<Flights>(flights, std::move(flight), limits.now), call,
                                 limits);
  }
  answer.flight = std::move(flight);
  return answer;
}

/// The value of a key that is not in the table: computed here, or by whoever computes it already.
/// A caller with `limits.wait` set still runs the body if nobody else does. `wait(flight)` waits as
/// `Flight::wait` does, in the caller's own way.
template <class Flights, class Call, class Wait>
Answer<Flights> coalesce_with(Flights& flights, const Call& call, const FlightLimits& limits,
                              Wait&& wait) {
  for (;;) {
    auto joined = flights.join(call.hash, call.view, call.make_key, limits.now());
    if (joined.leader) {
      return engine::lead_flight(Leadership<Flights>(flights, std::move(joined.flight), limits.now),
                                 call, limits);
    }
    const Waited waited = wait(*joined.flight);
    if (waited == Waited::compute_through && IdleFlights::let_go_of_all()) continue;
    auto answer = engine::after_waiting(waited, flights, std::move(joined.flight), call, limits);
    if (answer) return std::move(*answer);
  }
}
/// The same for a thread that blocks.
template <class Flights, class Call>
Answer<Flights> coalesce(Flights& flights, const Call& call, const FlightLimits& limits,
                         ThreadWaiter& waiter) {
  return engine::coalesce_with(flights, call, limits,
                               [&](Flight& flight) { return flight.wait(waiter, limits); });
}
template <class Flights, class Call>
Answer<Flights> coalesce(Flights& flights, const Call& call, const FlightLimits& limits) {
  ThreadWaiter waiter;
  return engine::coalesce(flights, call, limits, waiter);
}

/// The value computed anew, here; a running flight of the key is detached. `recheck` is asked here
/// too, and should find nothing.
template <class Flights, class Call>
Answer<Flights> refresh_flight(Flights& flights, const Call& call, const FlightLimits& limits) {
  auto flight = flights.restart(call.hash, call.view, call.make_key, limits.now());
  return engine::lead_flight(Leadership<Flights>(flights, std::move(flight), limits.now), call,
                             limits);
}

/// Starts a flight for a task that will lead it later, if none runs for this key; false if one
/// does. Callers join it from now on. Dropping what was given abandons the flight.
template <class Flights, class View, class MakeKey>
Leadership<Flights> begin_flight(Flights& flights, std::uint64_t hash, const View& view,
                                 MakeKey&& make_key,
                                 SteadyTime (*now)() noexcept = &std::chrono::steady_clock::now) {
  auto joined = flights.join(hash, view, make_key, now());
  if (!joined.leader) return {};
  return Leadership<Flights>(flights, std::move(joined.flight), now);
}

/// Waits for a flight that others run, `limits.wait` at most, and runs nothing: the caller has a
/// stale value. Nothing: it did not land in time, for whatever reason.
template <class Flights>
std::optional<Answer<Flights>> await_flight(Ref<typename Flights::Flown> flight,
                                            const FlightLimits& limits, ThreadWaiter& waiter) {
  if (flight->wait(waiter, limits) != Waited::landed) return std::nullopt;
  Answer<Flights> answer;
  answer.flight = std::move(flight);
  return answer;
}

}  // namespace dcache::engine
