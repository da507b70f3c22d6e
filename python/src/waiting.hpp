// SPDX-License-Identifier: MIT
/// Flights under the interpreter: what flies, what the running code is inside of, and how a thread
/// waits without the interpreter's lock.
#pragma once

#include <chrono>
#include <memory>
#include <thread>
#include <utility>

#include "dcache/engine/context.hpp"
#include "dcache/engine/flights.hpp"
#include "dcache/engine/waiter.hpp"

#include "key.hpp"
#include "object.hpp"

namespace dcache::python {

/// A thread that the interpreter ends while it is being finalised unwinds its stack without the
/// interpreter's lock. Code of ours that such an end may come to stops there for good instead: the
/// process ends without it (which is what Python 3.14 does by itself). Best put right around a call
/// that runs Python: what is let go of between it and here is let go of without the lock. REQUIRES:
/// `run` throws nothing of C++.
template <class Run>
auto unwound_by_nobody(Run&& run) {
  try {
    return run();
  } catch (...) {
    for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
  }
}

/// Whether this thread has the interpreter's lock. Also near the end of the interpreter, when its
/// own answer is "yes" to all threads.
inline bool has_interpreter() noexcept {
  if (Py_IsInitialized() != 0) return PyGILState_Check() != 0;
#if PY_VERSION_HEX >= 0x030D0000
  const PyThreadState* const current = PyThreadState_GetUnchecked();
#else
  const PyThreadState* const current = _PyThreadState_UncheckedGet();
#endif
  return current != nullptr && current == PyGILState_GetThisThreadState();
}

/// Runs `run` with the interpreter's lock, whether the thread has it or not. The same goes for
/// `run`.
template <class Run>
void with_interpreter(Run&& run) {
  unwound_by_nobody([&] {
    if (has_interpreter()) return run();
    // Nobody gets it any more who has not got it.
    while (Py_IsInitialized() == 0) std::this_thread::sleep_for(std::chrono::hours(1));
    const PyGILState_STATE state = PyGILState_Ensure();
    run();
    PyGILState_Release(state);
  });
}

/// An object in a flight: flights may end on a thread that waits without the interpreter's lock.
class Kept {
 public:
  explicit Kept(Object object) noexcept : object_(std::move(object)) {}
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;
  Kept(Kept&& other) noexcept = default;
  Kept& operator=(Kept&& other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Kept() {
    if (object_) with_interpreter([this] { object_ = Object(); });
  }

  PyObject* get() const noexcept { return object_.get(); }
  /// REQUIRES: the interpreter's lock.
  const Object& object() const noexcept { return object_; }

 private:
  Object object_;
};

/// What a body raised, on its way through a flight to everybody who waits. The same goes for it.
class Failed {
 public:
  explicit Failed(Exception exception) noexcept : exception_(std::move(exception)) {}
  Failed(const Failed&) = default;
  Failed& operator=(const Failed&) = delete;
  ~Failed() {
    with_interpreter([this] { exception_ = Exception(); });
  }

  // Both REQUIRE the interpreter's lock.

  void raise() const noexcept { exception_.raise(); }
  bool tells_to_stop() const noexcept {
    auto* const type = reinterpret_cast<PyObject*>(Py_TYPE(exception_.value().get()));
    return PyErr_GivenExceptionMatches(type, PyExc_Exception) == 0;
  }

 private:
  Exception exception_;
};

/// Raises in the interpreter what a flight came to.
[[noreturn]] void raise(const std::exception_ptr& error);
/// Whether that is for its runner alone: a KeyboardInterrupt, a SystemExit and the like.
bool tells_to_stop(const std::exception_ptr& error) noexcept;
/// Throws what the interpreter raised, as the outcome of a flight: an `engine::Abandon` if its
/// runner was told to stop, which fails nobody else.
[[noreturn]] void fail();

/// Who runs the body of an asynchronous function, so that waiters see his loop closed.
struct Leader {
  Kept loop{Object()};
  std::shared_ptr<bool> gone = nullptr;  // Shared with the runner: others gave up for him.
};

/// The key of a flight, and who leads it.
struct FlightKey {
  Kept key;
  std::unique_ptr<Leader> leader = nullptr;  // Of asynchronous functions.
};

struct FlightEqual {
  bool operator()(const FlightKey& flying, const Question& question) const {
    while (!question.means(flying.key.get())) {
      if (!question.answer()) return false;
    }
    return true;
  }
};

using Running = engine::Flights<FlightKey, Kept, FlightEqual>;

/// Gives the flight up for a runner whose event loop is closed, if that is so. True: it was.
bool abandon_for_closed_loop(Running& flights, Running::Flown& flight);

/// The loop that runs on this thread, or none. Imports nothing.
Object running_loop();

/// While it lives, a callback of this loop runs on this thread: `running_loop` does not have to
/// ask, which takes a system call before Python 3.12.
class RunsLoop {
 public:
  /// Borrows it.
  explicit RunsLoop(PyObject* loop) noexcept;
  RunsLoop(const RunsLoop&) = delete;
  RunsLoop& operator=(const RunsLoop&) = delete;
  ~RunsLoop();

 private:
  PyObject* const before_;
};

// --- What the running code is inside of, as far as `contextvars` know: tasks and threads that a
// --- body starts inherit it.

/// Of the current context. Empty where nothing is known.
engine::Context context_of_python();

/// While it lives, the current context of Python says this.
class Marked {
 public:
  /// Throws `Raised`.
  explicit Marked(engine::Context context);
  Marked(const Marked&) = delete;
  Marked& operator=(const Marked&) = delete;
  ~Marked();

 private:
  Object mark_;
  Object token_;
};

/// An object for `contextvars` that says `context`, until `end_mark` makes it say nothing: what
/// goes on after a flight is not inside of it any more. Throws `Raised`.
Object make_mark(engine::Context context);
void end_mark(PyObject* mark) noexcept;
/// The current context says this from now on, until `leave_mark` of what this returns. Throws
/// `Raised`.
Object enter_mark(PyObject* mark);
/// In another context, such as the collector's, it does nothing.
void leave_mark(PyObject* token) noexcept;

/// Makes the context variable and adds it to the module. False: a Python error is set.
bool prepare_waiting(PyObject* module);

/// A thread of the interpreter that waits: Ctrl-C is answered within its step, and a leader whose
/// loop is closed is seen within a second.
class InterpreterWaiter final : public engine::ThreadWaiter {
 public:
  InterpreterWaiter(Running& flights, Running::Flown& flight) noexcept
      : ThreadWaiter(std::chrono::milliseconds(50)), flights_(flights), flight_(flight) {}

  bool look() noexcept override;

 private:
  static constexpr unsigned looks_a_second = 20;

  Running& flights_;
  Running::Flown& flight_;
  unsigned looks_ = 0;
};

/// `Flight::wait` with the interpreter's lock given up meanwhile, for one who is inside of
/// `context`.
engine::Waited wait_unlocked(Running& flights, Running::Flown& flight,
                             const engine::FlightLimits& limits, const engine::Context& context);

}  // namespace dcache::python
