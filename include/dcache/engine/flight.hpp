// SPDX-License-Identifier: MIT
/// A flight: one computation in progress, with everybody who waits for it.
///
/// This is the part that knows neither key nor value. A flight has *runners* (one leader; after a
/// takeover more) and *waiters*. It ends in one of two ways: a runner lands it, and every waiter is
/// told; or its last runner abandons it and no waiter wants to lead, and it is vacated. The typed
/// part and the registry are in `flights.hpp`; most callers want `coalesce.hpp`.
///
/// Threads: every method may be called from any thread. No user code runs and nobody is told
/// anything while a lock of ours is held. Waiters are bounded only by the callers that there are.
/// Fork: in the child a flight of the parent counts as detached, its waiters are never told, and
/// no method blocks on it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "dcache/engine/fork.hpp"
#include "dcache/engine/lock.hpp"
#include "dcache/engine/ref.hpp"

namespace dcache::engine {

class Context;
class ThreadWaiter;
class Waiter;

using SteadyTime = std::chrono::steady_clock::time_point;

/// How long somebody waits for a flight that another one runs.
struct FlightLimits {
  /// The least time that a runner is given before a waiter takes over; see `patience`. Above zero.
  std::chrono::nanoseconds flight_timeout = std::chrono::seconds(30);
  /// What the function was measured to take; zero: not yet known.
  std::chrono::nanoseconds cost{0};
  /// Set by a caller who has something else to give, such as a stale value: it waits no longer
  /// than this and runs nothing for others, so it declines to lead and to take over.
  std::optional<std::chrono::nanoseconds> wait = std::nullopt;
  /// The clock of everything above. Called from any thread.
  SteadyTime (*now)() noexcept = &std::chrono::steady_clock::now;
};

/// How long a runner is given: the larger of the timeout and three times the cost, doubled with
/// each takeover, and never above a year.
std::chrono::nanoseconds patience(const FlightLimits& limits, unsigned takeovers) noexcept;

/// What became of an attempt to wait.
enum class Joining {
  waiting,          ///< Enlisted: will be told exactly once, unless it leaves before.
  landed,           ///< The outcome is there already; it will not be told.
  vacated,          ///< Nobody runs it any more: look the key up again.
  compute_through,  ///< Waiting would be for oneself: run the body, store nothing.
};

/// What a waiter does when it looks at the time.
enum class Turn {
  keep_waiting,  ///< Not yet, or it has been told: that comes, or has come.
  take_over,     ///< It is a runner now and no longer a waiter.
  landed,        ///< The outcome is there, only its storing takes too long; no longer a waiter.
};

/// How the wait of a thread ended.
enum class Waited {
  landed,
  lead,       ///< Promoted: it is the runner now.
  take_over,  ///< The runner had its time: it is one more runner now.
  compute_through,
  vacated,
  timed_out,    ///< `FlightLimits::wait` has passed, or it was to lead and had declined.
  interrupted,  ///< `ThreadWaiter::look` said so.
};

class Flight : public Counted {
 public:
  std::uint64_t hash() const noexcept { return hash_; }

  /// True: it answers those who have joined and is stored nowhere.
  bool detached() const noexcept {
    return detached_.load(std::memory_order_acquire) || left_behind();
  }
  /// What a table looks at under its own lock before it stores: true means that an invalidation
  /// came first. Once true it stays true.
  const std::atomic<bool>& guard() const noexcept { return detached_; }

  // For waiters.

  /// Adds a waiter, which must stay alive until it has been told or has left. "Inside" is the
  /// calling thread's `Context`. REQUIRES: the waiter waits for nothing else.
  /// Throws only std::bad_alloc, and then nothing has changed.
  Joining enlist(Waiter& waiter);
  /// Takes a waiter out. False: it has been told, or is being told at this moment by another
  /// thread, and must stay alive until that has happened.
  bool leave(Waiter& waiter) noexcept;
  /// When `try_take_over` is worth asking: at once while the leader is queued. It moves as runners
  /// change: ask again when it passes.
  SteadyTime deadline(const FlightLimits& limits) const noexcept;
  /// Makes the waiter a runner if the deadline has passed: of all who ask, exactly one, because the
  /// deadline is counted anew from there.
  Turn try_take_over(Waiter& waiter, const FlightLimits& limits, SteadyTime now) noexcept;
  /// Blocks the calling thread; takes over when it is time. Throws what `enlist` throws.
  Waited wait(ThreadWaiter& waiter, const FlightLimits& limits);

  // For runners. Landing and abandoning go through `Flights`.

  /// The time counts from here: called when the body begins. False: it has landed meanwhile, and
  /// the caller is no runner any more.
  bool start(SteadyTime now) noexcept;
  /// The leader's turn may be long in coming (it is a task in a queue): whoever waits and may lead
  /// need not, and takes its place. REQUIRES: the caller leads, alone, and has not started.
  void queue() noexcept;
  /// The turn of the leader who has queued. False: another one has its place, and it is no runner
  /// any more.
  bool unqueue() noexcept;

  std::size_t waiters() const noexcept;
  unsigned runners() const noexcept;
  unsigned takeovers() const noexcept;

 protected:
  Flight(std::uint64_t hash, SteadyTime now) noexcept;
  ~Flight() override = default;

  // The steps of an end, in this order. `claim` gives the runner's slot back and is true for the
  // first finisher only; after `settle` the outcome may be read by whoever waits too long;
  // `tell_landed` ends it.
  bool claim() noexcept;
  void settle() noexcept;
  void tell_landed() noexcept;
  /// The runner gives up; waiters are asked in order. True: nobody is left, and it is vacated.
  bool pass_on(SteadyTime now) noexcept;

 private:
  friend class FlightTable;

  enum class Phase : std::uint8_t { flying, claimed, settled, landed, vacated };
  using Reached = std::vector<Ref<Flight>>;

  bool left_behind() const noexcept { return generation_ != fork_generation(); }
  SteadyTime due(const FlightLimits& limits) const noexcept;
  bool attached() const noexcept { return attached_.load(std::memory_order_acquire); }
  Joining admit(Waiter& waiter, Context& context) noexcept;
  bool would_wait_for_itself(const Context& context, Reached& reached);
  void reach(std::uint64_t search, Reached& reached);
  void reach_waiting(std::uint64_t search, Reached& reached);
  Waited give_up(ThreadWaiter& waiter, Waited reason) noexcept;
  void link(Waiter& waiter) noexcept;
  void unlink(Waiter& waiter, Context& dropped) noexcept;

  const std::uint64_t hash_;
  const std::uint32_t generation_;

  // Written under the lock of the table's shard.
  std::atomic<bool> detached_{false};
  std::atomic<bool> attached_{false};
  Flight* chained_ = nullptr;

  // Guarded by the one lock of all cycle searches.
  std::uint64_t search_ = 0;

  mutable Lock lock_;
  // Guarded by lock_. While a waiter is asked to lead, the runner's slot is kept for it.
  Phase phase_ = Phase::flying;
  unsigned runners_ = 1;
  unsigned takeovers_ = 0;
  bool queued_ = false;  // The one runner there is has not had its turn.
  SteadyTime started_;
  Waiter* first_ = nullptr;  // In the order they came.
  Waiter* last_ = nullptr;
  std::size_t waiters_ = 0;
  std::size_t nested_ = 0;  // Waiters that are inside other flights: the edges of a cycle.
};

}  // namespace dcache::engine
