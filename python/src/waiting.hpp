// SPDX-License-Identifier: MIT
/// Waiting for a flight without the interpreter's lock.
#pragma once

#include <exception>
#include <utility>

#include "dcache/engine/coalesce.hpp"

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

/// `engine::coalesce`, with the interpreter's lock given up while it waits, and only then; calls
/// `has_waited()` after each wait.
template <class Flights, class Call, class HasWaited>
engine::Answer<Flights> coalesce_unlocked(Flights& flights, const Call& call,
                                          const engine::FlightLimits& limits,
                                          const HasWaited& has_waited) {
  for (;;) {
    auto joined = flights.join(call.hash, call.view, call.make_key, limits.now());
    if (joined.leader) {
      return engine::lead_flight(
          engine::Leadership<Flights>(flights, std::move(joined.flight), limits.now), call, limits);
    }
    InterpreterWaiter waiter;
    engine::Waited waited{};
    PyThreadState* const state = PyEval_SaveThread();
    try {
      waited = joined.flight->wait(waiter, limits);
    } catch (...) {
      PyEval_RestoreThread(state);
      throw;
    }
    PyEval_RestoreThread(state);
    has_waited();
    auto answer = engine::after_waiting(waited, flights, std::move(joined.flight), call, limits);
    if (answer) return std::move(*answer);
  }
}

}  // namespace dcache::python
