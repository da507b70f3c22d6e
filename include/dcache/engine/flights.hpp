// SPDX-License-Identifier: MIT
/// The flights of one function: who computes a key, and who waits for it.
///
/// This is the face for callers that cannot block (tasks, event loops, bindings); a caller that
/// blocks says `coalesce` (`coalesce.hpp`) and has the whole dance in one call.
///
///   auto [flight, leader] = flights.join(hash, view, make_key, now);
///   leader:  run the body inside `Inside(flight)`, then `land` its outcome; or `abandon`.
///   joiner:  `flight->enlist(waiter)`; then look again at `flight->deadline(limits)`.
///
/// Threads: every method may be called from any thread; it has to outlive its leaders. User code
/// (equality, keys, values, commit) runs with no lock held and may call back, or throw.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "dcache/engine/context.hpp"
#include "dcache/engine/flight.hpp"
#include "dcache/engine/flight_table.hpp"
#include "dcache/engine/ref.hpp"

namespace dcache::engine {

/// What a body came to: a value, an exception, or nothing yet.
template <class Value>
class Outcome {
 public:
  Outcome() = default;
  template <class V>
  static Outcome of(V&& value) {
    Outcome outcome;
    outcome.state_.template emplace<1>(std::forward<V>(value));
    return outcome;
  }
  static Outcome failed(std::exception_ptr error) noexcept {
    Outcome outcome;
    outcome.state_.template emplace<2>(std::move(error));
    return outcome;
  }

  bool empty() const noexcept { return value() == nullptr && error() == nullptr; }
  const Value* value() const noexcept { return std::get_if<1>(&state_); }
  Value* value() noexcept { return std::get_if<1>(&state_); }
  std::exception_ptr error() const noexcept {
    const auto* error = std::get_if<2>(&state_);
    return error != nullptr ? *error : nullptr;
  }

 private:
  std::variant<std::monostate, Value, std::exception_ptr> state_;
};

/// A flight with its key and its outcome.
template <class Key, class Value>
class Computation final : public Flight {
 public:
  Computation(std::uint64_t hash, Key key, SteadyTime now)
      : Flight(hash, now), key_(std::move(key)) {}

  const Key& key() const noexcept { return key_; }
  /// To be read once it has landed: by whoever was told so, or was answered so.
  const Outcome<Value>& outcome() const noexcept { return outcome_; }
  /// The same for whoever holds the only reference and wants to move the value out.
  Outcome<Value>& outcome() noexcept { return outcome_; }

 private:
  template <class, class, class>
  friend class Flights;

  ~Computation() override = default;

  void settle(Outcome<Value>& outcome) noexcept {
    try {
      outcome_ = std::move(outcome);
    } catch (...) {  // A value that cannot be moved is a body that failed.
      outcome_ = Outcome<Value>::failed(std::current_exception());
    }
    Flight::settle();
  }

  const Key key_;
  Outcome<Value> outcome_;  // Written once, by the first finisher, before it is settled.
};

/// How a landing went.
struct Landing {
  /// False: another runner was first, or a fork left the flight behind. The outcome is untouched,
  /// stored nowhere, and its runner's own.
  bool first = false;
  /// What `commit` threw; it is the runner's own, too.
  std::exception_ptr commit_error = nullptr;
};

template <class Key, class Value, class Equal = std::equal_to<>>
class Flights {
 public:
  using key_type = Key;
  using value_type = Value;
  using Flown = Computation<Key, Value>;

  struct Joined {
    Ref<Flown> flight;
    bool leader = false;  ///< The caller is its runner, and has to `land` or `abandon` it.
  };

  /// `equal(key, view)` says whether a key is the one that a caller means.
  explicit Flights(Equal equal = Equal()) : equal_(std::move(equal)) {}

  /// The flight of this key, or a new one, led by the caller. `make_key()` makes the key that a new
  /// flight owns; it is called at most once. Throws what equality and `make_key` throw and
  /// std::bad_alloc; nothing has changed then.
  template <class View, class MakeKey>
  Joined join(std::uint64_t hash, const View& view, MakeKey&& make_key, SteadyTime now) {
    return enter(hash, view, make_key, now, [](Flight& running) {
      return FlightTable::joinable(running) ? Ref<Flight>(&running) : Ref<Flight>();
    });
  }

  /// A new flight, led by the caller; the one that runs for this key is detached. Throws as `join`;
  /// the running one may be detached already then.
  template <class View, class MakeKey>
  Ref<Flown> restart(std::uint64_t hash, const View& view, MakeKey&& make_key, SteadyTime now) {
    return enter(hash, view, make_key, now,
                 [this](Flight& running) {
                   table_.detach(running);
                   return Ref<Flight>();
                 })
        .flight;
  }

  /// What an invalidation or an explicit put is: `change()` erases or overwrites the table's entry,
  /// and no flight that began before brings the old one back. The running flight answers those who
  /// have joined and is stored nowhere: it is detached before the change, and the table's
  /// conditional store looks at `Flight::guard` under the lock that the change takes, too. A
  /// flight that begins in between may have found the old entry in the table when it looked again,
  /// so it is detached after the change. Returns whether there was a flight. Throws what equality
  /// and `change` throw; what ran is detached then, but the change may not have been made.
  template <class View, class Change>
  bool invalidate(std::uint64_t hash, const View& view, Change&& change) {
    const bool before = detach(hash, view);
    change();
    return detach(hash, view) || before;
  }
  /// The same for all keys.
  template <class Change>
  void invalidate_all(Change&& change) {
    detach_all();
    change();
    detach_all();
  }

  /// From here on the running flight of this key, if any, answers those who have joined and is
  /// stored nowhere; later callers start anew. Returns whether there was one. If equality throws,
  /// all flights with this hash are detached first.
  template <class View>
  bool detach(std::uint64_t hash, const View& view) {
    try {
      bool detached = false;
      while (const Ref<Flight> flight = find(hash, view)) detached |= table_.detach(*flight);
      return detached;
    } catch (...) {
      table_.detach_hash(hash);
      throw;
    }
  }
  void detach_all() noexcept { table_.detach_all(); }

  /// Whether a flight of this key can be joined. Throws what equality throws.
  template <class View>
  bool running(std::uint64_t hash, const View& view) {
    return static_cast<bool>(find(hash, view));
  }

  /// Ends a run of the body. The first of the runners to come here hands its outcome over:
  /// `commit(const Value&, const std::atomic<bool>& detached)` stores it (only a value, and only if
  /// the flight is attached; it runs inside of the flight), the flight leaves the registry, and the
  /// waiters are told, whatever `commit` does. REQUIRES: the caller is a runner and `outcome` is
  /// not empty.
  template <class Commit>
  Landing land(Flown& flight, Outcome<Value>& outcome, Commit&& commit) {
    if (!flight.claim()) return {};
    const Ending ending{*this, flight};
    flight.settle(outcome);
    const Value* const value = flight.outcome().value();
    if (value == nullptr || flight.detached()) return {.first = true};
    try {
      const Inside inside{Ref<Flight>(&flight)};
      commit(*value, flight.guard());
    } catch (...) {
      const std::exception_ptr error = std::current_exception();
      if (error == nullptr) throw;  // No exception of C++: the thread is being cancelled.
      return {.first = true, .commit_error = error};
    }
    return {.first = true};
  }

  /// The runner gives up without an outcome (it was cancelled): the next waiter that wants to is
  /// promoted; if there is none, and no other runner, later callers start anew.
  void abandon(Flown& flight, SteadyTime now) noexcept {
    if (flight.pass_on(now)) table_.remove(flight);
  }

  /// Flights that can be joined.
  std::size_t size() noexcept { return table_.size(); }

 private:
  // Ends the flight also when a thread is cancelled inside `commit`.
  struct Ending {
    Flights& flights;
    Flown& flight;
    ~Ending() {
      flights.table_.remove(flight);
      flight.tell_landed();
    }
  };

  template <class View>
  bool means(const Flight& flight, const View& view) const {
    return equal_(static_cast<const Flown&>(flight).key(), view);
  }

  template <class View>
  Ref<Flight> find(std::uint64_t hash, const View& view) {
    std::vector<Ref<Flight>> others;
    for (;;) {
      Ref<Flight> flight = table_.find(hash, others);
      if (!flight || means(*flight, view)) return flight;
      others.push_back(std::move(flight));
    }
  }

  // `meet` decides about a running flight of this key: it is joined if `meet` gives it back, and
  // looked for again if not.
  template <class View, class MakeKey, class Meet>
  Joined enter(std::uint64_t hash, const View& view, MakeKey& make_key, SteadyTime now,
               const Meet& meet) {
    std::vector<Ref<Flight>> others;  // Same hash, other key.
    Ref<Flown> fresh;
    for (;;) {
      Ref<Flight> running = fresh ? table_.add(fresh, others) : table_.find(hash, others);
      if (!running && fresh) return {std::move(fresh), true};
      if (!running) {
        fresh = make_ref<Flown>(hash, make_key(), now);
      } else if (!means(*running, view)) {
        others.push_back(std::move(running));
      } else if (const Ref<Flight> joined = meet(*running)) {
        return {Ref<Flown>(static_cast<Flown*>(joined.get())), false};
      }
    }
  }

  [[no_unique_address]] Equal equal_;
  FlightTable table_;
};

/// Leadership of one flight as an object: dropped without a landing, it abandons. What carries a
/// flight into a task that may never run.
template <class Flights>
class Leadership {
 public:
  using Flown = typename Flights::Flown;

  Leadership() noexcept = default;
  Leadership(Flights& flights, Ref<Flown> flight,
             SteadyTime (*now)() noexcept = &std::chrono::steady_clock::now) noexcept
      : flights_(&flights), flight_(std::move(flight)), now_(now) {}
  Leadership(Leadership&& other) noexcept = default;
  Leadership& operator=(Leadership other) noexcept {
    std::swap(flights_, other.flights_);
    std::swap(flight_, other.flight_);
    std::swap(now_, other.now_);
    std::swap(queued_, other.queued_);
    return *this;
  }
  ~Leadership() {
    if (flight_ && begin()) flights_->abandon(*flight_, now_());
  }

  explicit operator bool() const noexcept { return static_cast<bool>(flight_); }
  const Ref<Flown>& flight() const noexcept { return flight_; }

  /// `Flight::queue`: for a task that has yet to be run.
  void queue() noexcept {
    flight_->queue();
    queued_ = true;
  }
  /// The task is run. False: whoever needed the outcome did not wait for that and leads instead;
  /// this leads nothing any more.
  bool begin() noexcept {
    if (!std::exchange(queued_, false) || flight_->unqueue()) return true;
    resign();
    return false;
  }

  /// `Flights::land`; it leads nothing after that.
  template <class Commit>
  Landing land(Outcome<typename Flights::value_type>& outcome, Commit&& commit) {
    const Ref<Flown> flight = resign();
    return flights_->land(*flight, outcome, std::forward<Commit>(commit));
  }
  /// Gives the flight out of its hand, for whoever ends it otherwise.
  Ref<Flown> resign() noexcept { return std::move(flight_); }

 private:
  Flights* flights_ = nullptr;
  Ref<Flown> flight_;
  SteadyTime (*now_)() noexcept = nullptr;
  bool queued_ = false;
};

}  // namespace dcache::engine
