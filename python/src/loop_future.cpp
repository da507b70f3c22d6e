// SPDX-License-Identifier: MIT
#include "loop_future.hpp"

#include <cstddef>
#include <new>
#include <string_view>

#include "guarded.hpp"

namespace dcache::python {
namespace {

enum class State : std::uint8_t { pending, cancelled, done };

struct Future {
  PyObject_HEAD vectorcallfunc vectorcall;
  PyObject* loop;
  PyObject* call;     // The first callback, which is a task's; or null.
  PyObject* context;  // Of it.
  PyObject* more;     // A list of (call, context), or null.
  PyObject* message;  // Of who cancelled; or null.
  State state;
  bool blocks;  // It was yielded, and no task has taken it yet.
};

PyTypeObject* type_of_future = nullptr;

Future& as_future(PyObject* self) noexcept { return *reinterpret_cast<Future*>(self); }

// Has the loop call it in its next turn. Throws `Raised`.
void call_soon(PyObject* self, PyObject* call, PyObject* context) {
  static PyObject* const name = PyUnicode_InternFromString("call_soon");
  static PyObject* const keywords = Py_BuildValue("(s)", "context");
  PyObject* const args[] = {as_future(self).loop, call, self, context};
  Object::checked(PyObject_VectorcallMethod(name, args, 3, keywords));
}

// All but the first one.
void call_more_soon(PyObject* self) {
  const Object more = Object::owned(std::exchange(as_future(self).more, nullptr));
  for (Py_ssize_t i = 0; more && i < PyList_GET_SIZE(more.get()); ++i) {
    PyObject* const pair = PyList_GET_ITEM(more.get(), i);
    call_soon(self, PyTuple_GET_ITEM(pair, 0), PyTuple_GET_ITEM(pair, 1));
  }
}

// Calls it in its context. Throws `Raised`.
void call_within(PyObject* self, PyObject* call, PyObject* context) {
  if (PyContext_Enter(context) != 0) {  // Whoever runs is inside of it.
    PyErr_Clear();
    return call_soon(self, call, context);
  }
  const Object said = Object::owned(PyObject_CallOneArg(call, self));
  PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
  PyErr_Fetch(&type, &value, &trace);
  if (PyContext_Exit(context) != 0) PyErr_WriteUnraisable(call);
  PyErr_Restore(type, value, trace);
  if (!said) throw Raised();
}

// What is raised ends the program, as far as a loop is concerned.
bool ends_programs() noexcept {
  return PyErr_ExceptionMatches(PyExc_KeyboardInterrupt) != 0 ||
         PyErr_ExceptionMatches(PyExc_SystemExit) != 0;
}

Object cancelled_error(const Future& self) {
  const Object module = Object::checked(PyImport_ImportModule("asyncio.exceptions"));
  const Object type = Object::checked(PyObject_GetAttrString(module.get(), "CancelledError"));
  return Object::checked(self.message == nullptr ? PyObject_CallNoArgs(type.get())
                                                 : PyObject_CallOneArg(type.get(), self.message));
}

// Throws `Raised` unless it is done, and not cancelled.
void require_done(const Future& self) {
  if (self.state == State::cancelled) {
    const Object error = cancelled_error(self);
    PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error.get())), error.get());
    throw Raised();
  }
  if (self.state == State::done) return;
  const Object module = Object::checked(PyImport_ImportModule("asyncio.exceptions"));
  const Object type = Object::checked(PyObject_GetAttrString(module.get(), "InvalidStateError"));
  PyErr_SetString(type.get(), "Result is not set.");
  throw Raised();
}

// --- The protocol ---

PyObject* get_loop(PyObject* self, PyObject*) {
  return Object::shared(as_future(self).loop).release();
}
PyObject* done(PyObject* self, PyObject*) {
  return PyBool_FromLong(as_future(self).state != State::pending ? 1 : 0);
}
PyObject* cancelled(PyObject* self, PyObject*) {
  return PyBool_FromLong(as_future(self).state == State::cancelled ? 1 : 0);
}
// Nothing, or why there is nothing; an exception of its own it never has.
PyObject* result(PyObject* self, PyObject*) {
  return guarded([&] {
    require_done(as_future(self));
    return Object::shared(Py_None).release();
  });
}

PyObject* add_done_callback(PyObject* object, PyObject* const* args, Py_ssize_t count,
                            PyObject* names) {
  return guarded([&]() -> PyObject* {
    const bool has_context =
        names != nullptr && PyTuple_GET_SIZE(names) == 1 &&
        PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), "context") == 0;
    if (count != 1 || (names != nullptr && PyTuple_GET_SIZE(names) > 0 && !has_context)) {
      PyErr_SetString(PyExc_TypeError, "expected add_done_callback(fn, *, context=None)");
      throw Raised();
    }
    Object context = has_context && args[1] != Py_None ? Object::shared(args[1])
                                                       : Object::checked(PyContext_CopyCurrent());
    Future& self = as_future(object);
    if (self.state != State::pending) {
      call_soon(object, args[0], context.get());
    } else if (self.call == nullptr) {
      self.call = Object::shared(args[0]).release();
      self.context = context.release();
    } else {
      if (self.more == nullptr) self.more = Object::checked(PyList_New(0)).release();
      const Object pair = Object::checked(PyTuple_Pack(2, args[0], context.get()));
      if (PyList_Append(self.more, pair.get()) != 0) throw Raised();
    }
    return Object::shared(Py_None).release();
  });
}

PyObject* remove_done_callback(PyObject* object, PyObject* call) {
  return guarded([&] {
    Future& self = as_future(object);
    long removed = 0;
    const auto same = [&](PyObject* each) {
      const int equal = PyObject_RichCompareBool(each, call, Py_EQ);
      if (equal < 0) throw Raised();
      removed += equal;
      return equal > 0;
    };
    if (self.call != nullptr && same(self.call)) {
      Py_CLEAR(self.call);
      Py_CLEAR(self.context);
    }
    const Object more = Object::owned(std::exchange(self.more, nullptr));
    const Object kept = Object::checked(PyList_New(0));
    for (Py_ssize_t i = 0; more && i < PyList_GET_SIZE(more.get()); ++i) {
      const Object pair = Object::shared(PyList_GET_ITEM(more.get(), i));
      if (!same(PyTuple_GET_ITEM(pair.get(), 0))) append(kept, pair);
    }
    self.more = Object(kept).release();
    return PyLong_FromLong(removed);
  });
}

PyObject* cancel(PyObject* object, PyObject* args, PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    static const char* const names[] = {"msg", nullptr};
    PyObject* message = Py_None;
    if (PyArg_ParseTupleAndKeywords(args, keywords, "|O", const_cast<char**>(names), &message) ==
        0) {
      throw Raised();
    }
    Future& self = as_future(object);
    if (self.state != State::pending) return Object::shared(Py_False).release();
    self.state = State::cancelled;
    if (message != Py_None) self.message = Object::shared(message).release();
    const Object call = Object::owned(std::exchange(self.call, nullptr));
    const Object context = Object::owned(std::exchange(self.context, nullptr));
    if (call) call_soon(object, call.get(), context.get());
    call_more_soon(object);
    return Object::shared(Py_True).release();
  });
}

PyObject* blocking(PyObject* self, void*) {
  return PyBool_FromLong(as_future(self).blocks ? 1 : 0);
}
int set_blocking(PyObject* self, PyObject* value, void*) {
  if (value == nullptr) {
    PyErr_SetString(PyExc_AttributeError, "cannot delete attribute");
    return -1;
  }
  const int blocks = PyObject_IsTrue(value);
  if (blocks < 0) return -1;
  as_future(self).blocks = blocks != 0;
  return 0;
}

PyObject* itself(PyObject* self) { return Object::shared(self).release(); }

PyObject* next(PyObject* object) {
  return guarded([&]() -> PyObject* {
    Future& self = as_future(object);
    if (self.state == State::pending && !self.blocks) {
      self.blocks = true;
      return Object::shared(object).release();
    }
    if (self.state != State::pending) {
      require_done(self);
      return nullptr;
    }
    PyErr_SetString(PyExc_RuntimeError, "await wasn't used with future");
    throw Raised();
  });
}

// --- What a task asks each time ---

PyObject* nothing(PyObject*, PyObject*) { Py_RETURN_NONE; }

struct Asked {
  PyMethodDef result_of_done = {"result", nothing, METH_NOARGS, nullptr};
  PyObject* result = PyCFunction_New(&result_of_done, nullptr);  // Of all that are completed.
  PyObject* blocking = PyUnicode_InternFromString("_asyncio_future_blocking");
  PyObject* get_loop = PyUnicode_InternFromString("get_loop");
  PyObject* add_done_callback = PyUnicode_InternFromString("add_done_callback");

  bool is_complete() const noexcept {
    return result != nullptr && blocking != nullptr && get_loop != nullptr &&
           add_done_callback != nullptr;
  }
};

Asked* asked = nullptr;  // Never freed.

// The text `result` is made anew each time, so that no cache of the interpreter knows it: to find
// the method and to bind it took a fortieth of a far hit.
bool is_result(PyObject* name) noexcept {
  constexpr std::string_view result = "result";
  return PyUnicode_IS_COMPACT_ASCII(name) != 0 &&
         std::string_view(static_cast<const char*>(PyUnicode_DATA(name)),
                          static_cast<std::size_t>(PyUnicode_GET_LENGTH(name))) == result;
}

// Two methods at once: a task asks for its loop without an argument, and to be called back with
// one. To bind them took one in 36 instructions of a far hit.
PyObject* call_bound(PyObject* self, PyObject* const* args, std::size_t count, PyObject* names) {
  const Py_ssize_t positional = PyVectorcall_NARGS(count);
  if (positional == 0 && names == nullptr) return get_loop(self, nullptr);
  return add_done_callback(self, args, positional, names);
}

PyObject* attribute(PyObject* self, PyObject* name) {
  if (name == asked->blocking) return blocking(self, nullptr);
  if (name == asked->add_done_callback || name == asked->get_loop) {
    return Object::shared(self).release();
  }
  if (as_future(self).state == State::done && is_result(name)) {
    return Object::shared(asked->result).release();
  }
  return PyObject_GenericGetAttr(self, name);
}
int set_attribute(PyObject* self, PyObject* name, PyObject* value) {
  return name == asked->blocking ? set_blocking(self, value, nullptr)
                                 : PyObject_GenericSetAttr(self, name, value);
}

// --- The object ---

int traverse(PyObject* object, visitproc visit, void* arg) {
  Future& self = as_future(object);
  Py_VISIT(Py_TYPE(object));
  Py_VISIT(self.loop);
  Py_VISIT(self.call);
  Py_VISIT(self.context);
  Py_VISIT(self.more);
  Py_VISIT(self.message);
  return 0;
}

int clear(PyObject* object) {
  Future& self = as_future(object);
  Py_CLEAR(self.loop);
  Py_CLEAR(self.call);
  Py_CLEAR(self.context);
  Py_CLEAR(self.more);
  Py_CLEAR(self.message);
  return 0;
}

void destroy(PyObject* object) {
  PyTypeObject* const type = Py_TYPE(object);
  PyObject_GC_UnTrack(object);
  clear(object);
  type->tp_free(object);
  Py_DECREF(type);
}

PyMethodDef methods[] = {
    {"get_loop", get_loop, METH_NOARGS, "Whose it is."},
    {"done", done, METH_NOARGS, "Whether it is completed or cancelled."},
    {"cancelled", cancelled, METH_NOARGS, "Whether it is cancelled."},
    {"result", result, METH_NOARGS, "None, once it is completed."},
    {"exception", result, METH_NOARGS, "None, once it is completed."},
    {"add_done_callback", method(add_done_callback), METH_FASTCALL | METH_KEYWORDS,
     "Calls it with this future, in this context, once that is done."},
    {"remove_done_callback", remove_done_callback, METH_O, "How many were taken back."},
    {"cancel", method(cancel), METH_VARARGS | METH_KEYWORDS, "Whether it was pending."},
    {}};
PyGetSetDef properties[] = {
    {"_asyncio_future_blocking", blocking, set_blocking, "That it was yielded.", nullptr}, {}};
PyMemberDef members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Future, vectorcall), READONLY, nullptr}, {}};
PyType_Slot slots[] = {{Py_tp_doc, const_cast<char*>("What a task awaits for a far store.")},
                       {Py_tp_dealloc, reinterpret_cast<void*>(destroy)},
                       {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
                       {Py_tp_clear, reinterpret_cast<void*>(clear)},
                       {Py_tp_getattro, reinterpret_cast<void*>(attribute)},
                       {Py_tp_setattro, reinterpret_cast<void*>(set_attribute)},
                       {Py_am_await, reinterpret_cast<void*>(itself)},
                       {Py_tp_iter, reinterpret_cast<void*>(itself)},
                       {Py_tp_iternext, reinterpret_cast<void*>(next)},
                       {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
                       {Py_tp_members, members},
                       {Py_tp_methods, methods},
                       {Py_tp_getset, properties},
                       {0, nullptr}};
PyType_Spec spec = {"dcache._engine.LoopFuture", sizeof(Future), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
                        Py_TPFLAGS_DISALLOW_INSTANTIATION,
                    slots};

}  // namespace

Object make_loop_future(Object loop) {
  PyObject* const object = type_of_future->tp_alloc(type_of_future, 0);
  if (object == nullptr) throw Raised();
  as_future(object).vectorcall = call_bound;
  as_future(object).loop = loop.release();
  return Object::owned(object);
}

void mark_as_yielded(PyObject* future) noexcept { as_future(future).blocks = true; }

bool complete_loop_future(PyObject* object) {
  Future& self = as_future(object);
  if (self.state != State::pending) return true;
  self.state = State::done;
  const Object call = Object::owned(std::exchange(self.call, nullptr));
  const Object context = Object::owned(std::exchange(self.context, nullptr));
  try {
    call_more_soon(object);
    if (call) call_within(object, call.get(), context.get());
  } catch (const Raised&) {
    if (ends_programs()) return false;
    PyErr_WriteUnraisable(call.get());
  }
  return true;
}

bool prepare_loop_future() {
  type_of_future = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  asked = new (std::nothrow) Asked;
  return type_of_future != nullptr && asked != nullptr && asked->is_complete();
}

}  // namespace dcache::python
