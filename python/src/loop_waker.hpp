// SPDX-License-Identifier: MIT
/// How an event loop learns that operations have completed: by one descriptor, once for all that
/// have since it last looked. Nobody who tells needs the interpreter's lock: an I/O thread that
/// waited for it would stand still for as long as whoever has it waits for that I/O. What takes too
/// long is told by one timer for all: a timer each costs more than the rest of waiting.
#pragma once

#include <atomic>
#include <optional>
#include <utility>
#include <vector>

#include "dcache/engine/operation.hpp"
#include "dcache/engine/ref.hpp"

#include "object.hpp"
#include "waiting.hpp"

namespace dcache::python {

class LoopWaker;

/// Wakes a future when an operation completes, on whatever thread. Lives as long as that may come.
class FutureWake final : public engine::Counted, public engine::Completion {
 public:
  explicit FutureWake(engine::Ref<LoopWaker> loop) noexcept;

  void completed() noexcept override;
  // With the interpreter's lock.
  /// Tells this future from now on, at `until` at the latest.
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

  /// The turn has ended. True from `FutureWake::listen_to` on: it has to be called.
  void end_turn() noexcept;
  bool in_turn() const noexcept { return !listening_.empty(); }
  /// Tells the futures of those that were told since.
  void pass_on() noexcept;
  /// Tells the futures whose time has come. True: the timer was not an old one.
  bool tell_overdue(engine::SteadyMoment now) noexcept;
  /// When the timer has to be set for, unless it is; from here on it is.
  std::optional<engine::SteadyMoment> set_timer() noexcept;
  /// The loop has gone.
  void close() noexcept;

 private:
  friend class FutureWake;

  void drop_told() noexcept;

  const int descriptor_;
  std::atomic<FutureWake*> told_{nullptr};  // The last one first.
  std::atomic<bool> closed_{false};
  std::vector<std::pair<engine::Ref<FutureWake>, engine::Ref<engine::Op>>> listening_;  // Soon.
  FutureWake* ends_[2] = {};  // The first and the last that has a future.
  engine::SteadyMoment earliest_ = engine::SteadyMoment::max();  // None of them is due before.
  engine::SteadyMoment timer_ = engine::SteadyMoment::max();
};

/// The object that wakes this loop. Throws `Raised`.
Object waker_of(const Object& loop);
/// `wake` tells `future` through that object, at `until` at the latest; `op`: that it listens to
/// from now on, or null. Throws `Raised`.
void wait_on(PyObject* waker, FutureWake& wake, Object future, engine::SteadyMoment until,
             engine::Op* op);
/// REQUIRES: a `LoopWaker` of the module's.
const engine::Ref<LoopWaker>& loop_waker_of(PyObject* object) noexcept;
bool is_loop_waker(PyObject* object) noexcept;

/// Makes the type. False: a Python error is set.
bool prepare_loop_waker(PyObject* module);

}  // namespace dcache::python
