// SPDX-License-Identifier: MIT
#include "recent.hpp"

namespace dcache::python {
namespace {

// Values that never change, and objects that are equal to themselves alone.
bool unchanging_type(PyTypeObject* type) noexcept {
  if (type == &PyLong_Type || type == &PyUnicode_Type || type == &PyFloat_Type ||
      type == &PyBytes_Type || type == &PyBool_Type || type == Py_TYPE(Py_None)) {
    return true;
  }
  return type->tp_hash == PyBaseObject_Type.tp_hash &&
         type->tp_richcompare == PyBaseObject_Type.tp_richcompare;
}

}  // namespace

bool Recent::unchanging(const Arguments& arguments) noexcept {
  for (Py_ssize_t i = 0; i < arguments.size(); ++i) {
    if (i != arguments.weak_at() && !unchanging_type(Py_TYPE(arguments[i]))) return false;
  }
  return true;
}

Recent::Entry* Recent::place_of(KeyTuple& key) noexcept {
  std::uintptr_t mixed = 0;
  for (Py_ssize_t i = 0; i < key.size(); ++i) {
    PyObject* argument = key.items[i];
    if (argument == nullptr) {
      const Instance* const instance = key.link().instance;
      if (instance == nullptr || instance->address == nullptr) return nullptr;
      argument = instance->address;
    }
    mixed = mix(mixed, argument);
  }
  return &entries_[at(mixed)];
}

}  // namespace dcache::python
