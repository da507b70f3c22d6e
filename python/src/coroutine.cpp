// SPDX-License-Identifier: MIT
// What calling a cached coroutine function returns: an object with the whole interface of a
// coroutine. It does nothing until it is first sent to; then a result at hand ends it there, and
// else a coroutine of `dcache/_async.py` goes on in its place.
#include <cstddef>
#include <memory>

#include "errors.hpp"
#include "fetch.hpp"
#include "function_object.hpp"
#include "guarded.hpp"
#include "miss.hpp"
#include "mode.hpp"

namespace dcache::python {
namespace {

enum class State : std::uint8_t { fresh, running, waiting, done };

struct Coroutine {
  PyObject_VAR_HEAD PyObject* function;
  PyObject* names;     // Of the keyword arguments; or null.
  PyObject* delegate;  // What goes on in its place; or null.
  Fetch* fetch;        // What it waits for itself; or null.
  Py_ssize_t count;    // Of the positional arguments.
  Verb verb;
  State state;
  PyObject* args[1];
};

Coroutine& as_coroutine(PyObject* self) noexcept { return *reinterpret_cast<Coroutine*>(self); }

Object drive(const char* driver, const Object& miss, PyObject* value = nullptr) {
  const Object module = Object::checked(PyImport_ImportModule("dcache._async"));
  return Object::checked(
      PyObject_CallMethod(module.get(), driver, value == nullptr ? "O" : "OO", miss.get(), value));
}

// A result is at hand, or `delegate` is what goes on.
Object serve(Function& function, const Object& miss, Table::Hit& hit, Object& delegate) {
  const Call& call = miss_of(miss.get()).call();
  if (!hit.review()) return function.hit_with(hit.value());
  if (function.suspect(hit) && !far_mode().reads) {
    function.believe(call.question());
    return function.hit_with(hit.value());
  }
  if (function.suspect(hit)) {
    miss_of(miss.get()).allow_stale();
    delegate = drive("answer", miss);
    return Object();
  }
  const bool fresh = function.fresh(hit);
  const auto wait = function.options().wait;
  if (!fresh && !wait) {
    miss_of(miss.get()).allow_stale();
    delegate = drive("answer", miss);
    return Object();
  }
  const Object kept = Object::shared(hit.value());
  auto flight = function.start_refresh(call, hit, fresh);
  if (!fresh) ++function.count().stale;
  if (fresh || *wait == Duration(0) || !running_loop()) return function.hit_with(kept.get());
  miss_of(miss.get()).watch(std::move(flight));
  const Object module = Object::checked(PyImport_ImportModule("dcache._async"));
  delegate = Object::checked(PyObject_CallMethod(module.get(), "serve_stale", "Od", miss.get(),
                                                 std::chrono::duration<double>(*wait).count()));
  return Object();
}

Object begin_call(Coroutine& self, Object& delegate) {
  Function& function = function_of(self.function);
  const auto miss_with = [&](Question* question, Table::Hit& hit) -> Object {
    const Object miss = make_miss(function, self.args, self.count, self.names, question);
    const Call& call = miss_of(miss.get()).call();
    if (question == nullptr) function.table().find(call.question(), hit);
    if (!hit && call.question().answer()) function.table().find_surely(call.question(), hit, false);
    if (hit) return serve(function, miss, hit, delegate);
    if (Object loop = function.far_side() ? running_loop() : Object()) {
      self.fetch = new Fetch(miss, std::move(loop));
    } else {
      delegate = drive("answer", miss);
    }
    return Object();
  };
  if (mode_may_differ && current_mode() == Mode::refresh) [[unlikely]] {
    delegate = drive("answer", make_miss(function, self.args, self.count, self.names, nullptr));
    return Object();
  }
  const Recent::Entry* const known = function.recall(self.args, self.count, self.names);
  PyObject* const found = known != nullptr ? function.hit_again(*known) : nullptr;
  if (found != nullptr) [[likely]]
    return Object::owned(found);
  return function.look(self.args, self.count, self.names, miss_with);
}

// The result, or none and `delegate` or `fetch` goes on.
Object begin(Coroutine& self, Object& delegate) {
  Function& function = function_of(self.function);
  if (self.verb == Verb::call) return begin_call(self, delegate);
  const auto miss = [&](Py_ssize_t first) {
    return make_miss(function, self.args + first, self.count - first, self.names, nullptr);
  };
  if (function.far_side()) {
    if (self.verb == Verb::invalidate) delegate = drive("invalidate", miss(0));
    if (self.verb == Verb::peek) delegate = drive("peek", miss(0));
    if (self.verb == Verb::put) delegate = drive("put", miss(1), self.args[0]);
    if (delegate) return Object();
  }
  if (self.verb != Verb::refresh) {
    return do_now(function, self.verb, self.args, self.count, self.names);
  }
  delegate = drive("refresh", miss(0));
  return Object();
}

PySendResult finish(Coroutine& self, PySendResult how) {
  if (how == PYGEN_NEXT) {
    self.state = State::waiting;
    return how;
  }
  self.state = State::done;
  Py_CLEAR(self.delegate);
  return how;
}

// Goes on with what it waits for itself.
PySendResult go_on(Coroutine& self, Fetch::Next (Fetch::*how)(), PyObject** result) {
  std::unique_ptr<Fetch> fetch(std::exchange(self.fetch, nullptr));
  Fetch::Next next;
  const Object fine = Object::owned(guarded([&] {
    next = (fetch.get()->*how)();
    return Object::shared(Py_None).release();
  }));
  if (next.future) {
    self.fetch = fetch.release();
    *result = next.future.release();
    return finish(self, PYGEN_NEXT);
  }
  if (next.delegate) {
    self.delegate = next.delegate.release();
    return finish(self, PyIter_Send(self.delegate, Py_None, result));
  }
  *result = next.result.release();
  return finish(self, fine ? PYGEN_RETURN : PYGEN_ERROR);
}

// True: it must not be sent to now; an error is set.
bool refused(const Coroutine& self) {
  if (self.state == State::done) {
    PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
  } else if (self.state == State::running) {
    PyErr_SetString(PyExc_ValueError, "coroutine already executing");
  }
  return self.state == State::done || self.state == State::running;
}

PySendResult send(PyObject* object, PyObject* sent, PyObject** result) {
  Coroutine& self = as_coroutine(object);
  *result = nullptr;
  if (self.state != State::fresh) [[unlikely]] {
    if (refused(self)) return PYGEN_ERROR;
    self.state = State::running;
    if (self.fetch != nullptr) return go_on(self, &Fetch::go_on, result);
    return finish(self, PyIter_Send(self.delegate, sent, result));
  }
  if (sent != Py_None) {
    PyErr_SetString(PyExc_TypeError, "can't send non-None value to a just-started coroutine");
    return PYGEN_ERROR;
  }
  self.state = State::running;
  Object delegate;
  *result = guarded([&] { return begin(self, delegate).release(); });
  if (self.fetch != nullptr) return go_on(self, &Fetch::begin, result);
  if (*result != nullptr || !delegate) [[likely]] {
    self.state = State::done;
    return *result != nullptr ? PYGEN_RETURN : PYGEN_ERROR;
  }
  self.delegate = delegate.release();
  return finish(self, PyIter_Send(self.delegate, Py_None, result));
}

// A result as an exception, which is how iterators return.
PyObject* as_iterator(PySendResult how, PyObject* result) {
  if (how != PYGEN_RETURN) return result;
  const Object value = Object::owned(result);
  if (value.get() == Py_None) return nullptr;
  if (PyTuple_Check(result) == 0 && PyExceptionInstance_Check(result) == 0) {
    PyErr_SetObject(PyExc_StopIteration, result);
  } else if (const Object stop = Object::owned(PyObject_CallOneArg(PyExc_StopIteration, result))) {
    PyErr_SetObject(PyExc_StopIteration, stop.get());
  }
  return nullptr;
}

PyObject* next(PyObject* self) {
  PyObject* result = nullptr;
  const PySendResult how = send(self, Py_None, &result);
  return as_iterator(how, result);
}

// As methods say it: they have to raise something.
PyObject* as_method(PySendResult how, PyObject* result) {
  PyObject* const next = as_iterator(how, result);
  if (next == nullptr && PyErr_Occurred() == nullptr) PyErr_SetNone(PyExc_StopIteration);
  return next;
}

PyObject* send_method(PyObject* self, PyObject* sent) {
  PyObject* result = nullptr;
  const PySendResult how = send(self, sent, &result);
  return as_method(how, result);
}

// As `raise` takes them: a class or an instance, then value and traceback.
PyObject* raise_thrown(PyObject* args) {
  PyObject *type = nullptr, *value = Py_None, *trace = Py_None;
  if (PyArg_UnpackTuple(args, "throw", 1, 3, &type, &value, &trace) == 0) return nullptr;
  if (PyExceptionInstance_Check(type) != 0) {
    PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(type)), type);
  } else if (PyExceptionClass_Check(type) != 0) {
    PyErr_SetObject(type, value == Py_None ? nullptr : value);
  } else {
    PyErr_SetString(PyExc_TypeError,
                    "exceptions must be classes or instances deriving from "
                    "BaseException");
  }
  return nullptr;
}

PyObject* throw_method(PyObject* object, PyObject* args) {
  Coroutine& self = as_coroutine(object);
  if (refused(self)) return nullptr;
  if (self.fetch != nullptr) {
    self.state = State::running;
    raise_thrown(args);
    PyObject* result = nullptr;
    const PySendResult how = go_on(self, &Fetch::fail, &result);
    return as_method(how, result);
  }
  if (self.delegate == nullptr) {
    self.state = State::done;
    return raise_thrown(args);
  }
  self.state = State::running;
  const Object method = Object::owned(PyObject_GetAttrString(self.delegate, "throw"));
  PyObject* const result = method ? PyObject_CallObject(method.get(), args) : nullptr;
  finish(self, result != nullptr ? PYGEN_NEXT : PYGEN_ERROR);
  return result;
}

PyObject* close_method(PyObject* object, PyObject*) {
  Coroutine& self = as_coroutine(object);
  if (self.state == State::running && refused(self)) return nullptr;
  const Object delegate = Object::owned(std::exchange(self.delegate, nullptr));
  const std::unique_ptr<Fetch> fetch(std::exchange(self.fetch, nullptr));
  self.state = State::done;
  if (!delegate) Py_RETURN_NONE;
  return PyObject_CallMethod(delegate.get(), "close", nullptr);
}

PyObject* await(PyObject* self) { return Object::shared(self).release(); }

// --- What debuggers and loops look at ---

PyObject* of_function(PyObject* self, const char* name) {
  return PyObject_GetAttrString(function_of(as_coroutine(self).function).wrapped().get(), name);
}
PyObject* of_delegate(PyObject* self, const char* name) {
  PyObject* const delegate = as_coroutine(self).delegate;
  return delegate == nullptr ? Object::shared(Py_None).release()
                             : PyObject_GetAttrString(delegate, name);
}
PyObject* name(PyObject* self, void*) { return of_function(self, "__name__"); }
PyObject* qualname(PyObject* self, void*) { return of_function(self, "__qualname__"); }
PyObject* code(PyObject* self, void*) { return of_function(self, "__code__"); }
PyObject* frame(PyObject* self, void*) { return of_delegate(self, "cr_frame"); }
PyObject* awaits(PyObject* self, void*) { return of_delegate(self, "cr_await"); }
PyObject* running(PyObject* self, void*) {
  return PyBool_FromLong(as_coroutine(self).state == State::running ? 1 : 0);
}
PyObject* origin(PyObject*, void*) { Py_RETURN_NONE; }

PyObject* repr(PyObject* self) {
  const Object name = Object::owned(qualname(self, nullptr));
  return name ? PyUnicode_FromFormat("<dcache coroutine %U at %p>", name.get(), self) : nullptr;
}

int traverse(PyObject* object, visitproc visit, void* arg) {
  Coroutine& self = as_coroutine(object);
  Py_VISIT(self.function);
  Py_VISIT(self.delegate);
  if (self.fetch != nullptr) {
    if (const int answer = self.fetch->traverse(visit, arg)) return answer;
  }
  for (Py_ssize_t i = 0; i < self.ob_base.ob_size; ++i) Py_VISIT(self.args[i]);
  return 0;
}

void warn_never_awaited(PyObject* self) {
  PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
  PyErr_Fetch(&type, &value, &trace);
  const Object name = Object::owned(qualname(self, nullptr));
  if (!name || PyErr_WarnFormat(PyExc_RuntimeWarning, 1, "coroutine '%U' was never awaited",
                                name.get()) != 0) {
    PyErr_WriteUnraisable(nullptr);
  }
  PyErr_Restore(type, value, trace);
}

void dealloc(PyObject* object) {
  Coroutine& self = as_coroutine(object);
  PyObject_GC_UnTrack(object);
  if (self.state == State::fresh) warn_never_awaited(object);
  Py_CLEAR(self.delegate);
  delete std::exchange(self.fetch, nullptr);
  for (Py_ssize_t i = 0; i < self.ob_base.ob_size; ++i) Py_DECREF(self.args[i]);
  Py_XDECREF(self.names);
  Py_DECREF(self.function);
  PyObject_GC_Del(object);
}

PyMethodDef methods[] = {{"send", send_method, METH_O, "Goes on with this value."},
                         {"throw", throw_method, METH_VARARGS, "Goes on with this exception."},
                         {"close", close_method, METH_NOARGS, "Ends it."},
                         {}};

PyGetSetDef properties[] = {{"__name__", name, nullptr, nullptr, nullptr},
                            {"__qualname__", qualname, nullptr, nullptr, nullptr},
                            {"cr_code", code, nullptr, nullptr, nullptr},
                            {"cr_frame", frame, nullptr, nullptr, nullptr},
                            {"cr_await", awaits, nullptr, nullptr, nullptr},
                            {"cr_running", running, nullptr, nullptr, nullptr},
                            {"cr_origin", origin, nullptr, nullptr, nullptr},
                            {}};

PyAsyncMethods async_methods = {await, nullptr, nullptr, send};

PyTypeObject coroutine_type = [] {
  PyTypeObject type{};
  type.ob_base = {PyObject_HEAD_INIT(nullptr) 0};
  type.tp_name = "dcache._engine.Coroutine";
  type.tp_basicsize = offsetof(Coroutine, args);
  type.tp_itemsize = sizeof(PyObject*);
  type.tp_dealloc = dealloc;
  type.tp_as_async = &async_methods;
  type.tp_repr = repr;
  type.tp_traverse = traverse;
  type.tp_iternext = next;
  type.tp_methods = methods;
  type.tp_getset = properties;
  type.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC;
  type.tp_doc = "A call of a cached coroutine function, to be awaited once.";
  return type;
}();

}  // namespace

Object make_coroutine(PyObject* function, Verb verb, PyObject* const* args, Py_ssize_t count,
                      PyObject* names) {
  const Py_ssize_t all = count + (names == nullptr ? 0 : PyTuple_GET_SIZE(names));
  auto* const self = PyObject_GC_NewVar(Coroutine, &coroutine_type, all);
  if (self == nullptr) throw Raised();
  self->function = Object::shared(function).release();
  self->names = Object::shared(names).release();
  self->delegate = nullptr;
  self->fetch = nullptr;
  self->count = count;
  self->verb = verb;
  self->state = State::fresh;
  for (Py_ssize_t i = 0; i < all; ++i) {
    Py_INCREF(args[i]);
    self->args[i] = args[i];
  }
  PyObject_GC_Track(self);
  return Object::owned(reinterpret_cast<PyObject*>(self));
}

bool prepare_coroutine() { return PyType_Ready(&coroutine_type) == 0; }

}  // namespace dcache::python
