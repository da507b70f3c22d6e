// SPDX-License-Identifier: MIT
#include "stdlib_types.hpp"

#include <cstring>
#include <iterator>

namespace dcache::python {
namespace {

struct Known {
  const char* module;
  const char* name;
  Stdlib what;
  bool of_c = false;  // Its objects are read as those of a type of C, whose name has its module.
  PyTypeObject* seen = nullptr;  // Owned, once it was seen.
};

Known known[] = {
    {"datetime", "datetime", Stdlib::datetime, true},
    {"datetime", "date", Stdlib::date, true},
    {"decimal", "Decimal", Stdlib::decimal},
    {"uuid", "UUID", Stdlib::uuid},
    {"datetime", "time", Stdlib::time, true},
    {"datetime", "timedelta", Stdlib::timedelta, true},
    {"datetime", "timezone", Stdlib::timezone, true},
    {"zoneinfo", "ZoneInfo", Stdlib::zoneinfo},
    {"pathlib", "PosixPath", Stdlib::path},
    {"pathlib", "PurePosixPath", Stdlib::path},
    {"pathlib", "PureWindowsPath", Stdlib::path},
    {"pathlib", "WindowsPath", Stdlib::path},
    {"fractions", "Fraction", Stdlib::fraction},
};

// What is called so in a module that has been imported, or none.
Object imported(const char* module, const char* name) {
  const Object module_name = Object::checked(PyUnicode_FromString(module));
  const Object found = Object::owned(PyImport_GetModule(module_name.get()));
  Object object = Object::owned(found ? PyObject_GetAttrString(found.get(), name) : nullptr);
  if (!object) PyErr_Clear();
  return object;
}

bool is(PyTypeObject* type, const Known& one) {
  const char* const dot = std::strrchr(type->tp_name, '.');
  if (std::strcmp(dot == nullptr ? type->tp_name : dot + 1, one.name) != 0) return false;
  if (one.of_c && (dot == nullptr || (type->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0)) return false;
  return imported(one.module, one.name).get() == reinterpret_cast<PyObject*>(type);
}

// Only a class with a class of its own may be an enum.
bool is_enum(PyTypeObject* type) {
  static PyTypeObject* enum_meta = nullptr;
  if (Py_TYPE(type) == &PyType_Type) return false;
  if (enum_meta == nullptr) {
    enum_meta = reinterpret_cast<PyTypeObject*>(imported("enum", "EnumMeta").release());
  }
  return enum_meta != nullptr && PyObject_TypeCheck(type, enum_meta) != 0;
}

}  // namespace

Stdlib stdlib_type(PyTypeObject* type) {
  if (type == &PyComplex_Type) return Stdlib::complex;
  if (type == &PyRange_Type) return Stdlib::range;
  if (type == &PySlice_Type) return Stdlib::slice;
  if (type == Py_TYPE(Py_Ellipsis)) return Stdlib::ellipsis;
  for (const Known& one : known) {
    if (one.seen == type) return one.what;
  }
  if (is_enum(type)) return Stdlib::member;
  for (Known& one : known) {
    if (!is(type, one)) continue;
    Py_INCREF(type);
    Py_XDECREF(reinterpret_cast<PyObject*>(std::exchange(one.seen, type)));
    return one.what;
  }
  return Stdlib::none;
}

bool looser_than_its_content(PyTypeObject* type) noexcept {
  if (type == &PyComplex_Type || type == &PyRange_Type || type == &PySlice_Type) return true;
  const char* const name = type->tp_name;
  const auto is = [name](const char* other) { return std::strcmp(name, other) == 0; };
  switch (name[0]) {
    case 'd':
      return is("decimal.Decimal") || is("datetime.date") || is("datetime.time") ||
             is("datetime.datetime");
    case 'D':
      return is("Decimal");  // The one that is written in Python.
    case 'P':
      return is("PureWindowsPath");
    case 'W':
      return is("WindowsPath");
    default:
      return false;
  }
}

}  // namespace dcache::python
