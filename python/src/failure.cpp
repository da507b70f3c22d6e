// SPDX-License-Identifier: MIT
#include "failure.hpp"

#include <utility>

namespace dcache::python {
namespace {

struct Failure {
  PyObject_HEAD PyObject* type;
  PyObject* args;
  PyObject* error;  // Null: only the above is kept.
  PyObject* trace;
};

Failure& as_failure(PyObject* object) noexcept { return *reinterpret_cast<Failure*>(object); }

int traverse(PyObject* self, visitproc visit, void* arg) {
  Failure& failure = as_failure(self);
  Py_VISIT(failure.type);
  Py_VISIT(failure.args);
  Py_VISIT(failure.error);
  Py_VISIT(failure.trace);
  return 0;
}

int clear(PyObject* self) {
  Failure& failure = as_failure(self);
  Py_CLEAR(failure.type);
  Py_CLEAR(failure.args);
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

Object make(PyObject* type, Object args, Object error, Object trace) {
  auto* const failure = PyObject_GC_New(Failure, &failure_type);
  if (failure == nullptr) throw Raised();
  failure->type = Object::shared(type).release();
  failure->args = args.release();
  failure->error = error.release();
  failure->trace = trace.release();
  PyObject_GC_Track(failure);
  return Object::owned(reinterpret_cast<PyObject*>(failure));
}

}  // namespace

Object make_failure(const Exception& exception) {
  PyObject* const error = exception.value().get();
  return make(reinterpret_cast<PyObject*>(Py_TYPE(error)),
              Object::checked(PyObject_GetAttrString(error, "args")), exception.value(),
              exception.trace());
}

Object make_frameless(PyObject* failure) {
  const Failure& full = as_failure(failure);
  return make(full.type, Object::shared(full.args), Object(), Object());
}

bool is_failure(PyObject* object) noexcept { return Py_TYPE(object) == &failure_type; }

PyObject* class_of_failure(PyObject* failure) noexcept { return as_failure(failure).type; }

void raise_failure(PyObject* failure) {
  const Failure& kept = as_failure(failure);
  if (kept.error != nullptr) {
    Exception(Object::shared(kept.error), Object::shared(kept.trace)).raise();
  } else {
    const Object error = Object::checked(PyObject_CallObject(kept.type, kept.args));
    PyErr_SetObject(kept.type, error.get());
  }
  throw Raised();
}

bool prepare_failure() { return PyType_Ready(&failure_type) == 0; }

}  // namespace dcache::python
