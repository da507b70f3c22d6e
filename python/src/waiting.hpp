// SPDX-License-Identifier: MIT
/// Waiting for a flight without the interpreter's lock.
#pragma once

#include <chrono>
#include <utility>

#include "dcache/engine/waiter.hpp"

#include "object.hpp"

namespace dcache::python {

/// Runs `run` with the interpreter's lock, whether the thread has it or not.
template <class Run>
void with_interpreter(Run&& run) {
  if (PyGILState_Check() != 0) return run();
  const PyGILState_STATE state = PyGILState_Ensure();
  run();
  PyGILState_Release(state);
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

  /// REQUIRES: the interpreter's lock.
  void raise() const noexcept { exception_.raise(); }

 private:
  Exception exception_;
};

/// A thread of the interpreter that waits: Ctrl-C is answered within its step.
class InterpreterWaiter final : public engine::ThreadWaiter {
 public:
  InterpreterWaiter() noexcept : ThreadWaiter(std::chrono::milliseconds(50)) {}

  bool look() noexcept override {
    bool fine = true;
    with_interpreter([&fine] { fine = PyErr_CheckSignals() == 0; });
    return fine;
  }
};

/// `Flight::wait` with the interpreter's lock given up meanwhile.
inline engine::Waited wait_unlocked(engine::Flight& flight, const engine::FlightLimits& limits) {
  struct Unlocked {
    PyThreadState* state = PyEval_SaveThread();
    ~Unlocked() { PyEval_RestoreThread(state); }
  };
  InterpreterWaiter waiter;
  const Unlocked unlocked;
  return flight.wait(waiter, limits);
}

}  // namespace dcache::python
