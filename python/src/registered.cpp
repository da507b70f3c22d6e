// SPDX-License-Identifier: MIT
#include "registered.hpp"

namespace dcache::python {
namespace {

// Class -> function. Holds both for good, as whoever registers a class expects.
PyObject* all() {
  static PyObject* const all = PyDict_New();
  if (all == nullptr) throw Raised();
  return all;
}

}  // namespace

Object registered_encode(PyTypeObject* type) {
  PyObject* const found = PyDict_GetItemWithError(all(), reinterpret_cast<PyObject*>(type));
  if (found == nullptr && PyErr_Occurred() != nullptr) throw Raised();
  return Object::shared(found);
}

void register_encode(PyTypeObject* type, PyObject* encode) {
  if (PyDict_SetItem(all(), reinterpret_cast<PyObject*>(type), encode) != 0) throw Raised();
}

}  // namespace dcache::python
