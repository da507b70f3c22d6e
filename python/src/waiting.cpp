// SPDX-License-Identifier: MIT
#include "waiting.hpp"

#include <exception>
#include <new>
#include <utility>

#include "dcache/engine/coalesce.hpp"

namespace dcache::python {
namespace {

// An object that holds a `Context`, for a context variable.
struct Mark {
  PyObject_HEAD engine::Context context;
};

PyTypeObject mark_type = [] {
  PyTypeObject type{};
  type.ob_base = {PyObject_HEAD_INIT(nullptr) 0};
  type.tp_name = "dcache._engine.Mark";
  type.tp_basicsize = sizeof(Mark);
  type.tp_dealloc = [](PyObject* self) {
    reinterpret_cast<Mark*>(self)->context.~Context();
    PyObject_Free(self);
  };
  type.tp_flags = Py_TPFLAGS_DEFAULT;
  type.tp_doc = "The flights that the running code is inside of.";
  return type;
}();

PyObject* inside = nullptr;  // The context variable.

thread_local PyObject* known_loop = nullptr;  // Borrowed.

// A failing body whose runner was told to stop fails nobody else.
bool is_cancellation() noexcept { return PyErr_ExceptionMatches(PyExc_Exception) == 0; }

}  // namespace

void fail() {
  const bool cancelled = is_cancellation();
  std::exception_ptr error = std::make_exception_ptr(Failed(Exception::take()));
  if (cancelled) throw engine::Abandon{std::move(error)};
  std::rethrow_exception(std::move(error));
}

bool tells_to_stop(const std::exception_ptr& error) noexcept {
  try {
    std::rethrow_exception(error);
  } catch (const Failed& failed) {
    return failed.tells_to_stop();
  } catch (...) {
    return false;
  }
}

void raise(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const Failed& failed) {
    failed.raise();
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  }
  throw Raised();
}

bool abandon_for_closed_loop(Running& flights, Running::Flown& flight) {
  Leader* const leader = flight.key().leader.get();
  if (leader == nullptr || leader->loop.get() == nullptr) return false;
  const Object closed =
      Object::owned(PyObject_CallMethod(leader->loop.get(), "is_closed", nullptr));
  if (!closed) PyErr_Clear();
  if (closed.get() != Py_True || leader->loop.get() == nullptr) return false;
  *leader->gone = true;
  leader->loop = Kept(Object());
  flights.abandon(flight, std::chrono::steady_clock::now());
  return true;
}

RunsLoop::RunsLoop(PyObject* loop) noexcept : before_(std::exchange(known_loop, loop)) {}
RunsLoop::~RunsLoop() { known_loop = before_; }

Object running_loop() {
  if (known_loop != nullptr) return Object::shared(known_loop);
  static PyObject* get = nullptr;
  if (get == nullptr) {
    static PyObject* const name = PyUnicode_InternFromString("_asyncio");
    PyObject* const modules = PyImport_GetModuleDict();  // Borrowed.
    PyObject* const module = PyDict_GetItemWithError(modules, name);
    if (module == nullptr) return Object();
    get = PyObject_GetAttrString(module, "_get_running_loop");
    if (get == nullptr) throw Raised();
  }
  Object loop = Object::checked(PyObject_CallNoArgs(get));
  return loop.get() == Py_None ? Object() : loop;
}

engine::Context context_of_python() {
  PyObject* mark = nullptr;
  if (PyContextVar_Get(inside, nullptr, &mark) != 0) throw Raised();
  const Object held = Object::owned(mark);
  if (mark == nullptr || Py_TYPE(mark) != &mark_type) return {};
  return reinterpret_cast<Mark*>(mark)->context;
}

Object make_mark(engine::Context context) {
  auto* const mark = PyObject_New(Mark, &mark_type);
  if (mark == nullptr) throw Raised();
  new (&mark->context) engine::Context(std::move(context));
  return Object::owned(reinterpret_cast<PyObject*>(mark));
}

void end_mark(PyObject* mark) noexcept {
  const engine::Context ended = std::exchange(reinterpret_cast<Mark*>(mark)->context, {});
}

Object enter_mark(PyObject* mark) { return Object::checked(PyContextVar_Set(inside, mark)); }

void leave_mark(PyObject* token) noexcept {
  if (PyContextVar_Reset(inside, token) != 0) PyErr_Clear();
}

Marked::Marked(engine::Context context)
    : mark_(make_mark(std::move(context))), token_(enter_mark(mark_.get())) {}

Marked::~Marked() {
  PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
  PyErr_Fetch(&type, &value, &trace);
  leave_mark(token_.get());
  end_mark(mark_.get());
  PyErr_Restore(type, value, trace);
}

bool prepare_waiting(PyObject* module) {
  if (PyType_Ready(&mark_type) != 0) return false;
  inside = PyContextVar_New("dcache.inside", nullptr);
  return inside != nullptr && PyModule_AddObjectRef(module, "inside", inside) == 0;
}

bool InterpreterWaiter::look() noexcept {
  bool fine = true;
  unwound_by_nobody([&] {
    with_interpreter([&] {
      fine = PyErr_CheckSignals() == 0;
      if (fine && ++looks_ % looks_a_second == 0) abandon_for_closed_loop(flights_, flight_);
    });
  });
  return fine;
}

engine::Waited wait_unlocked(Running& flights, Running::Flown& flight,
                             const engine::FlightLimits& limits, const engine::Context& context) {
  const engine::Context::Adopt adopted(context);
  InterpreterWaiter waiter(flights, flight);
  PyThreadState* const state = PyEval_SaveThread();
  auto waited = engine::Waited::vacated;
  std::exception_ptr error;
  try {
    waited = flight.wait(waiter, limits);
  } catch (const std::bad_alloc&) {
    error = std::current_exception();
  }
  unwound_by_nobody([&] { PyEval_RestoreThread(state); });
  if (error != nullptr) std::rethrow_exception(error);
  return waited;
}

}  // namespace dcache::python
