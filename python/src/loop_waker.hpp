// SPDX-License-Identifier: MIT
/// What an event loop has to do with stores. It sends what its tasks have submitted, once for many,
/// and drives the connections that it shares with nobody (`dcache/engine/drivable.hpp`). Of what
/// other threads complete it learns by one descriptor, once for all since it last looked. Nobody
/// who tells needs the interpreter's lock: an I/O thread that waited for it would stand still for
/// as long as whoever has it waits for that I/O. What takes too long is told by one timer for all:
/// a timer each costs more than the rest of waiting.
#pragma once

#include <atomic>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "dcache/engine/operation.hpp"
#include "dcache/engine/ref.hpp"

#include "object.hpp"
#include "waiting.hpp"

namespace dcache::python {

class LoopWaker;

/// Completes a future when an operation completes, on whatever thread. Lives as long as that may
/// come.
class FutureWake final : public engine::Counted, public engine::Completion {
 public:
  explicit FutureWake(engine::Ref<LoopWaker> loop) noexcept;

  void completed() noexcept override;
  // With the interpreter's lock.
  /// Completes this `LoopFuture` from now on, at `until` at the latest.
  void wait_on(Object future, engine::SteadyMoment until) noexcept;
  /// For this operation, from the end of the loop's turn on: what was submitted until then goes out
  /// together, since a store takes it that somebody comes (`Op::attend`).
  void listen_to(engine::Op& op);
  /// The operation was abandoned.
  void stop_listening() noexcept;
  /// Nobody waits any more. The future, unless it was told or nobody waited.
  Object take_future() noexcept;

 private:
  friend class LoopWaker;

  const engine::Ref<LoopWaker> loop_;
  FutureWake* next_ = nullptr;  // The loop's, once it is told.
  // With the interpreter's lock.
  Kept future_{Object()};
  engine::SteadyMoment until_;
  bool listens_ = false;
  FutureWake* neighbours_[2] = {};  // Those that have a future: who came before and after.
};

class LoopWaker final : public engine::Counted {
 public:
  /// An eventfd, which it closes.
  explicit LoopWaker(int descriptor) noexcept : descriptor_(descriptor) {}
  ~LoopWaker() override;

  int descriptor() const noexcept { return descriptor_; }
  /// Any thread, without the interpreter's lock.
  void tell(engine::Ref<FutureWake> wake) noexcept;

  // On the loop's thread, with the interpreter's lock.

  /// What was submitted goes out.
  void send() noexcept;
  /// It is going to be sent.
  bool sends_soon() const noexcept { return completes_ || !listening_.empty(); }
  /// So much was submitted that it is better sent at once: the server has something to do
  /// meanwhile.
  bool has_many() const noexcept { return listening_.size() >= many; }
  /// Completes the futures of those that were told since, and sends what comes of that. Throws
  /// `Raised` where a task has ended the program; the rest comes in the loop's next turn, if it has
  /// one.
  void pass_on();
  /// The same for those whose time has come. False: the timer was an old one.
  bool complete_overdue(engine::SteadyMoment now);
  /// The same for what can be read from this descriptor. False: it is not watched any more.
  bool read(int descriptor);
  /// A descriptor to be watched from now on; -1: none.
  int take_fresh() noexcept;
  /// It cannot be watched: somebody else has to drive.
  void leave(int descriptor) noexcept;
  /// It is not watched any more.
  void forget(int descriptor) noexcept;
  /// When the timer has to be set for, unless it is; from here on it is.
  std::optional<engine::SteadyMoment> set_timer() noexcept;
  /// The loop has gone, or is closed. May be called again.
  void close() noexcept;

 private:
  friend class FutureWake;

  // A connection that this loop drives.
  struct Driven {
    engine::Drivable* connection;
    engine::Ref<engine::Counted> alive;
    int descriptor;
  };

  static constexpr std::size_t many = 32;

  void drive(engine::Drivable& connection) noexcept;
  void raise_signal() const noexcept;
  void take_told() noexcept;
  void complete_due();
  void drop_told() noexcept;

  const int descriptor_;
  std::atomic<FutureWake*> told_{nullptr};  // The last one first.
  std::atomic<bool> closed_{false};
  std::vector<std::pair<engine::Ref<FutureWake>, engine::Ref<engine::Op>>> listening_;  // Soon.
  std::vector<Driven> driven_;
  std::size_t watched_ = 0;   // The first of them that is not watched yet.
  std::deque<Object> due_;    // Futures to be completed, in order.
  bool completes_ = false;    // And they are, at this moment.
  FutureWake* ends_[2] = {};  // The first and the last that has a future.
  engine::SteadyMoment earliest_ = engine::SteadyMoment::max();  // None of them is due before.
  engine::SteadyMoment timer_ = engine::SteadyMoment::max();
};

/// The object that wakes this loop. Throws `Raised`.
Object waker_of(const Object& loop);
/// What tells this loop (or null) from others that share a connection; null: it has not been asked
/// for, or not lately.
const void* known_waker(PyObject* loop) noexcept;
/// A future of that object's loop that `wake` completes, at `until` at the latest; `op`: that it
/// listens to from now on, or null. Throws `Raised`.
Object wait_on(PyObject* waker, FutureWake& wake, engine::SteadyMoment until, engine::Op* op);
/// REQUIRES: a `LoopWaker` of the module's.
const engine::Ref<LoopWaker>& loop_waker_of(PyObject* object) noexcept;
bool is_loop_waker(PyObject* object) noexcept;

/// Makes the type. False: a Python error is set.
bool prepare_loop_waker(PyObject* module);

}  // namespace dcache::python
