// SPDX-License-Identifier: MIT
// What `peek` gives where there is nothing: one object, in every copy and behind every pickle.
#include "function_object.hpp"

namespace dcache::python {

PyObject* missing = nullptr;

namespace {

PyObject* repr(PyObject*) { return PyUnicode_FromString("dcache.MISSING"); }

// By reference.
PyObject* reduce(PyObject*, PyObject*) { return PyUnicode_FromString("MISSING"); }

PyMethodDef methods[] = {{"__reduce__", reduce, METH_NOARGS, nullptr}, {}};

PyTypeObject missing_type = [] {
  PyTypeObject type{};
  type.ob_base = {PyObject_HEAD_INIT(nullptr) 0};
  type.tp_name = "dcache._engine.Missing";
  type.tp_basicsize = sizeof(PyObject);
  type.tp_repr = repr;
  type.tp_flags = Py_TPFLAGS_DEFAULT;
  type.tp_doc = "There is no result.";
  type.tp_methods = methods;
  return type;
}();

}  // namespace

bool prepare_missing(PyObject* module) {
  if (PyType_Ready(&missing_type) != 0) return false;
  missing = PyObject_New(PyObject, &missing_type);
  return missing != nullptr && PyModule_AddObjectRef(module, "MISSING", missing) == 0;
}

}  // namespace dcache::python
