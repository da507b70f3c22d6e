// SPDX-License-Identifier: MIT
#include "failure.hpp"

#include <utility>

namespace dcache::python {
namespace {

struct Failure {
  PyObject_HEAD PyObject* type;
  PyObject* args;
  PyObject* reduced;  // What it is made again of, as pickle has it; or null.
  PyObject* error;    // Null: only the above is kept.
  PyObject* trace;
};

Failure& as_failure(PyObject* object) noexcept { return *reinterpret_cast<Failure*>(object); }

int traverse(PyObject* self, visitproc visit, void* arg) {
  Failure& failure = as_failure(self);
  Py_VISIT(failure.type);
  Py_VISIT(failure.args);
  Py_VISIT(failure.reduced);
  Py_VISIT(failure.error);
  Py_VISIT(failure.trace);
  return 0;
}

int clear(PyObject* self) {
  Failure& failure = as_failure(self);
  Py_CLEAR(failure.type);
  Py_CLEAR(failure.args);
  Py_CLEAR(failure.reduced);
  Py_CLEAR(failure.error);
  Py_CLEAR(failure.trace);
  return 0;
}

void dealloc(PyObject* self) {
  PyObject_GC_UnTrack(self);
  clear(self);
  PyObject_GC_Del(self);
}

PyTypeObject failure_type = [] {
  PyTypeObject type{};
  type.ob_base = {PyObject_HEAD_INIT(nullptr) 0};
  type.tp_name = "dcache._engine.Failure";
  type.tp_basicsize = sizeof(Failure);
  type.tp_dealloc = dealloc;
  type.tp_traverse = traverse;
  type.tp_clear = clear;
  type.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC;
  type.tp_doc = "What a call raised, kept for a while.";
  return type;
}();

Object make(PyObject* type, Object args, Object reduced, Object error, Object trace) {
  auto* const failure = PyObject_GC_New(Failure, &failure_type);
  if (failure == nullptr) throw Raised();
  failure->type = Object::shared(type).release();
  failure->args = args.release();
  failure->reduced = reduced.release();
  failure->error = error.release();
  failure->trace = trace.release();
  PyObject_GC_Track(failure);
  return Object::owned(reinterpret_cast<PyObject*>(failure));
}

// (callable, arguments, attributes), the last perhaps None.
Object reduce(const Failure& failure) {
  const Object said = Object::owned(PyObject_CallMethod(failure.error, "__reduce_ex__", "i", 4));
  PyObject *made_by = nullptr, *args = nullptr, *own = Py_None, *items = nullptr, *more = nullptr;
  if (!said || PyTuple_Check(said.get()) == 0 ||
      PyArg_ParseTuple(said.get(), "OO!|OOO", &made_by, &PyTuple_Type, &args, &own, &items,
                       &more) == 0) {
    PyErr_Clear();
    return Object::checked(PyTuple_Pack(3, failure.type, failure.args, Py_None));
  }
  // Whoever caught it may put more there.
  const Object attributes =
      PyDict_Check(own) != 0 ? Object::checked(PyDict_Copy(own)) : Object::shared(Py_None);
  return Object::checked(PyTuple_Pack(3, made_by, args, attributes.get()));
}

// Nothing: it makes another one, or none.
Object make_again(const Failure& failure, PyObject* made_by, PyObject* args) {
  Object error = Object::owned(PyObject_CallObject(made_by, args));
  const bool its_type = error && reinterpret_cast<PyObject*>(Py_TYPE(error.get())) == failure.type;
  const Object its_args =
      Object::owned(its_type ? PyObject_GetAttrString(error.get(), "args") : nullptr);
  const int same = its_args ? PyObject_RichCompareBool(its_args.get(), failure.args, Py_EQ) : 0;
  if (same != 1) PyErr_Clear();
  return same == 1 ? std::move(error) : Object();
}

// By what is built in of its class: an `__init__` on top of that had other arguments than `args`,
// and nothing says which.
Object make_plainly(const Failure& failure, PyObject* args) {
  auto* const type = reinterpret_cast<PyTypeObject*>(failure.type);
  const PyTypeObject* base = type;
  while ((base->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0) base = base->tp_base;
  Object error = Object::checked(base->tp_new(type, args, nullptr));
  if (base->tp_init(error.get(), args, nullptr) != 0) throw Raised();
  return error;
}

Object make_error(const Failure& failure) {
  PyObject *made_by = nullptr, *args = nullptr, *attributes = nullptr;
  if (PyArg_ParseTuple(failure.reduced, "OOO", &made_by, &args, &attributes) == 0) throw Raised();
  Object error = make_again(failure, made_by, args);
  if (!error) error = make_plainly(failure, made_by == failure.type ? args : failure.args);
  if (attributes == Py_None) return error;
  const Object own = Object::checked(PyObject_GenericGetDict(error.get(), nullptr));
  if (PyDict_Update(own.get(), attributes) != 0) throw Raised();
  return error;
}

}  // namespace

Object make_failure(const Exception& exception) {
  PyObject* const error = exception.value().get();
  return make(reinterpret_cast<PyObject*>(Py_TYPE(error)),
              Object::checked(PyObject_GetAttrString(error, "args")), Object(), exception.value(),
              exception.trace());
}

Object make_frameless(PyObject* failure) {
  const Failure& full = as_failure(failure);
  return make(full.type, Object::shared(full.args), reduce(full), Object(), Object());
}

bool is_failure(PyObject* object) noexcept { return Py_TYPE(object) == &failure_type; }

PyObject* class_of_failure(PyObject* failure) noexcept { return as_failure(failure).type; }

void raise_failure(PyObject* failure) {
  const Failure& kept = as_failure(failure);
  if (kept.error != nullptr) {
    Exception(Object::shared(kept.error), Object::shared(kept.trace)).raise();
  } else {
    const Object error = make_error(kept);
    PyErr_SetObject(kept.type, error.get());
  }
  throw Raised();
}

bool prepare_failure() { return PyType_Ready(&failure_type) == 0; }

}  // namespace dcache::python
