// SPDX-License-Identifier: MIT
#include "stdlib_values.hpp"

#include <array>

#include "dcache/engine/cbor_tags.hpp"

namespace dcache::python {
namespace {

namespace cbor = engine::cbor;

// An attribute of a module, found once. Never let go of.
struct Imported {
  const char* module;
  const char* name;
  PyObject* found = nullptr;

  PyObject* get() {
    if (found == nullptr) {
      const Object there = Object::checked(PyImport_ImportModule(module));
      found = Object::checked(PyObject_GetAttrString(there.get(), name)).release();
    }
    return found;
  }
};

Imported decimal{"decimal", "Decimal"};
Imported fraction{"fractions", "Fraction"};
Imported uuid{"uuid", "UUID"};
Imported date{"datetime", "date"};
Imported time_of_day{"datetime", "time"};
Imported datetime{"datetime", "datetime"};
Imported timedelta{"datetime", "timedelta"};
Imported timezone{"datetime", "timezone"};
Imported zoneinfo{"zoneinfo", "ZoneInfo"};

bool is_text(PyObject* object) noexcept { return PyUnicode_CheckExact(object) != 0; }
bool is_int(PyObject* object) noexcept { return PyLong_CheckExact(object) != 0; }
bool is_float(PyObject* object) noexcept { return PyFloat_CheckExact(object) != 0; }

// A list of so many items, or null.
PyObject* const* items_of(PyObject* list, Py_ssize_t count) noexcept {
  if (PyList_CheckExact(list) == 0 || PyList_GET_SIZE(list) != count) return nullptr;
  return reinterpret_cast<PyListObject*>(list)->ob_item;
}

template <class... Arguments>
Object call(PyObject* callable, Arguments... arguments) {
  return Object::owned(PyObject_CallFunctionObjArgs(callable, arguments..., nullptr));
}

Object made_of_ints(PyObject* callable, PyObject* list) {
  PyObject* const* const parts = items_of(list, 3);
  if (parts == nullptr || !is_int(parts[0]) || !is_int(parts[1]) || !is_int(parts[2])) {
    return Object();
  }
  return call(callable, parts[0], parts[1], parts[2]);
}

// UTC has one object.
Object zone_of(PyObject* content) {
  if (content == Py_None) return Object::shared(Py_None);
  if (PyObject* const* const key = items_of(content, 1)) {
    return is_text(key[0]) ? call(zoneinfo.get(), key[0]) : Object();
  }
  PyObject* const* const parts = items_of(content, 2);
  if (parts == nullptr || !is_text(parts[1])) return Object();
  const Object offset = made_of_ints(timedelta.get(), parts[0]);
  if (!offset) return Object();
  Object plain = call(timezone.get(), offset.get());
  if (!plain) return Object();
  const Object name = Object::owned(PyObject_Str(plain.get()));
  if (!name || PyUnicode_Compare(name.get(), parts[1]) == 0) return plain;
  return call(timezone.get(), offset.get(), parts[1]);
}

// [text, fold, zone].
Object moment_of(PyObject* type, PyObject* content) {
  PyObject* const* const parts = items_of(content, 3);
  if (parts == nullptr || !is_text(parts[0]) || !is_int(parts[1])) return Object();
  Object plain = Object::owned(PyObject_CallMethod(type, "fromisoformat", "O", parts[0]));
  if (!plain) return Object();
  const long fold = PyLong_AsLong(parts[1]);
  if (parts[2] == Py_None && fold == 0) return plain;
  const Object zone = zone_of(parts[2]);
  if (!zone) return Object();
  const Object changes =
      Object::checked(Py_BuildValue("{sOsO}", "fold", parts[1], "tzinfo", zone.get()));
  const Object replace = Object::checked(PyObject_GetAttrString(plain.get(), "replace"));
  const Object none = Object::checked(PyTuple_New(0));
  return Object::owned(PyObject_Call(replace.get(), none.get(), changes.get()));
}

// [name of the class, text]. A path of another system's kind has no class here.
Object path_of(PyObject* content) {
  constexpr std::array classes = {"PosixPath", "PurePosixPath", "PureWindowsPath", "WindowsPath"};
  PyObject* const* const parts = items_of(content, 2);
  if (parts == nullptr || !is_text(parts[0]) || !is_text(parts[1])) return Object();
  for (const char* const name : classes) {
    if (PyUnicode_CompareWithASCIIString(parts[0], name) != 0) continue;
    const Object module = Object::checked(PyImport_ImportModule("pathlib"));
    const Object type = Object::checked(PyObject_GetAttrString(module.get(), name));
    return call(type.get(), parts[1]);
  }
  return Object();
}

Object uuid_of(PyObject* content) {
  if (PyBytes_CheckExact(content) == 0 || PyBytes_GET_SIZE(content) != 16) return Object();
  return call(uuid.get(), Py_None, content);
}

Object complex_of(PyObject* content) {
  PyObject* const* const parts = items_of(content, 2);
  if (parts == nullptr || !is_float(parts[0]) || !is_float(parts[1])) return Object();
  return Object::owned(
      PyComplex_FromDoubles(PyFloat_AS_DOUBLE(parts[0]), PyFloat_AS_DOUBLE(parts[1])));
}

Object fraction_of(PyObject* content) {
  PyObject* const* const parts = items_of(content, 2);
  if (parts == nullptr || !is_int(parts[0]) || !is_int(parts[1])) return Object();
  return call(fraction.get(), parts[0], parts[1]);
}

}  // namespace

Object stdlib_of(std::uint64_t tag, PyObject* content) {
  switch (tag) {
    case cbor::decimal_tag:
      return is_text(content) ? call(decimal.get(), content) : Object();
    case cbor::date_tag:
      if (!is_text(content)) return Object();
      return Object::owned(PyObject_CallMethod(date.get(), "fromisoformat", "O", content));
    case cbor::time_tag:
      return moment_of(time_of_day.get(), content);
    case cbor::datetime_tag:
      return moment_of(datetime.get(), content);
    case cbor::timedelta_tag:
      return made_of_ints(timedelta.get(), content);
    case cbor::uuid_tag:
      return uuid_of(content);
    case cbor::path_tag:
      return path_of(content);
    case cbor::complex_tag:
      return complex_of(content);
    case cbor::fraction_tag:
      return fraction_of(content);
    case cbor::range_tag:
      return made_of_ints(reinterpret_cast<PyObject*>(&PyRange_Type), content);
    default:
      return Object();
  }
}

}  // namespace dcache::python
