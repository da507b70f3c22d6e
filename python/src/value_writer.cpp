// SPDX-License-Identifier: MIT
#include "value_writer.hpp"

#include <algorithm>

#include "dcache/engine/cbor_tags.hpp"
#include "dcache/engine/hot.hpp"

#include "canonical_atoms.hpp"
#include "numpy_arrays.hpp"
#include "stdlib_types.hpp"

namespace dcache::python {
namespace {

namespace cbor = engine::cbor;
using cbor::Major;

[[noreturn]] void raise_changed() {
  PyErr_SetString(PyExc_RuntimeError, "dcache: a result changed while it was encoded");
  throw Raised();
}

void write_tag(ByteBuffer& out, std::uint64_t tag) { out.head(Major::tag, tag); }

DCACHE_HOT inline void write_integer(ByteBuffer& out, PyObject* number) {
#if PY_VERSION_HEX < 0x030C0000
  // Up to two digits of 30 bits: what most numbers are.
  const auto& digits = *reinterpret_cast<PyLongObject*>(number);
  const Py_ssize_t size = Py_SIZE(number);
  if (size == 1) return out.integer(digits.ob_digit[0]);
  if (size == 0) return out.integer(0);
  if (size == 2 || size == -2) {  // Without a branch on the sign.
    const std::int64_t magnitude =
        digits.ob_digit[0] | static_cast<std::int64_t>(digits.ob_digit[1]) << PyLong_SHIFT;
    const std::int64_t sign = size >> 63U;
    return out.integer((magnitude ^ sign) - sign);
  }
  if (size == -1) return out.integer(-static_cast<std::int64_t>(digits.ob_digit[0]));
#else
  const auto* const digits = reinterpret_cast<PyLongObject*>(number);
  if (PyUnstable_Long_IsCompact(digits) != 0) {
    return out.integer(PyUnstable_Long_CompactValue(digits));
  }
#endif
  int overflow = 0;
  const long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
  if (overflow == 0) return out.integer(value);
  std::string bytes;
  append_int(number, bytes);
  out.append(bytes);
}

// What is written as it is in a key: nothing in it depends on the form.
bool is_one_form(Stdlib type) noexcept {
  switch (type) {
    case Stdlib::decimal:
    case Stdlib::fraction:
    case Stdlib::date:
    case Stdlib::time:
    case Stdlib::datetime:
    case Stdlib::timedelta:
    case Stdlib::uuid:
    case Stdlib::path:
    case Stdlib::range:
      return true;
    default:
      return false;
  }
}

// Whether an attribute of each of these names is what the dict of the instance says: a descriptor
// of the class that can be set, such as a slot, would come before it.
bool fields_in_dict(const ValueClass& known) {
  auto* const type = reinterpret_cast<PyTypeObject*>(known.type.get());
  if (known.kind != ValueClass::Kind::record || type->tp_dictoffset == 0) return false;
  PyObject* const* const names = &PyTuple_GET_ITEM(known.fields.get(), 0);
  return std::none_of(names, names + PyTuple_GET_SIZE(known.fields.get()), [&](PyObject* name) {
    PyObject* const found = _PyType_Lookup(type, name);
    return found != nullptr && Py_TYPE(found)->tp_descr_set != nullptr;
  });
}

}  // namespace

Object ValueWriter::write(PyObject* object) {
  if (!append(object)) return Object();
  return out_.take();
}

bool ValueWriter::append(PyObject* object) {
  return append_atom(object, Py_TYPE(object)) || append_deeper(object);
}

DCACHE_HOT inline bool ValueWriter::append_atom(PyObject* object, PyTypeObject* type) {
  if (type == &PyUnicode_Type) {
    write_text(out_, object);
  } else if (type == &PyLong_Type) {
    write_integer(out_, object);
  } else if (type == &PyFloat_Type) {
    out_.binary64(PyFloat_AS_DOUBLE(object));
  } else if (object == Py_None) {
    out_.byte(0xF6);
  } else if (type == &PyBool_Type) {
    out_.byte(object == Py_True ? 0xF5 : 0xF4);
  } else if (type == &PyBytes_Type) {
    out_.run(Major::bytes, PyBytes_AS_STRING(object),
             static_cast<std::size_t>(PyBytes_GET_SIZE(object)));
  } else {
    return false;
  }
  return true;
}

bool ValueWriter::append_deeper(PyObject* object) {
  if (depth_ >= Canonical::depth_max) {
    PyErr_Format(PyExc_RecursionError,
                 "dcache: a result holds itself, or is nested more than %d levels deep",
                 Canonical::depth_max);
    throw Raised();
  }
  ++depth_;  // Ours alone: the interpreter's own count would cost a tenth of a small dict.
  const bool written = append_compound(object, Py_TYPE(object));
  --depth_;
  if (!written && !refused_) refused_ = Object::shared(object);
  return written;
}

bool ValueWriter::append_compound(PyObject* object, PyTypeObject* type) {
  if (type == &PyDict_Type) return append_dict(object);
  if (type == &PyList_Type) return append_list(object);
  if (type == &PyTuple_Type) {
    write_tag(out_, cbor::tuple_tag);
    return append_items(&PyTuple_GET_ITEM(object, 0), PyTuple_GET_SIZE(object));
  }
  if (type == &PySet_Type) return append_set(object, cbor::set_tag);
  if (type == &PyFrozenSet_Type) return append_set(object, cbor::frozenset_tag);
  return append_other(object, type);
}

bool ValueWriter::append_items(PyObject* const* items, Py_ssize_t count) {
  out_.head(Major::array, static_cast<std::uint64_t>(count));
  return std::all_of(items, items + count, [&](PyObject* item) { return append(item); });
}

// Python may run in what is written: lists, dicts and sets may change under us.
bool ValueWriter::append_list(PyObject* list) {
  const Py_ssize_t size = PyList_GET_SIZE(list);
  out_.head(Major::array, static_cast<std::uint64_t>(size));
  for (Py_ssize_t i = 0; i < size; ++i) {
    if (PyList_GET_SIZE(list) != size) raise_changed();
    PyObject* const item = PyList_GET_ITEM(list, i);
    if (append_atom(item, Py_TYPE(item))) continue;
    const Object held = Object::shared(item);
    if (!append_deeper(item)) return false;
  }
  return true;
}

bool ValueWriter::append_dict(PyObject* dict) {
  const Py_ssize_t size = PyDict_GET_SIZE(dict);
  out_.head(Major::map, static_cast<std::uint64_t>(size));
  Py_ssize_t written = 0;
  PyObject *key = nullptr, *value = nullptr;
  for (Py_ssize_t at = 0; PyDict_Next(dict, &at, &key, &value) != 0; ++written) {
    const bool atom = append_atom(key, Py_TYPE(key));
    if (atom && append_atom(value, Py_TYPE(value))) continue;
    const Object held_key = Object::shared(key);
    const Object held_value = Object::shared(value);
    if (!atom && !append_deeper(key)) return false;
    if (!append(value)) return false;
    if (PyDict_GET_SIZE(dict) != size) raise_changed();
  }
  if (written != size) raise_changed();
  return true;
}

bool ValueWriter::append_set(PyObject* set, std::uint64_t tag) {
  const Py_ssize_t size = PySet_GET_SIZE(set);
  write_tag(out_, tag);
  out_.head(Major::array, static_cast<std::uint64_t>(size));
  const Object iterator = Object::checked(PyObject_GetIter(set));
  while (const Object item = Object::owned(PyIter_Next(iterator.get()))) {
    if (!append(item.get())) return false;
  }
  if (PyErr_Occurred() != nullptr) throw Raised();  // Sets say themselves that they changed.
  return true;
}

bool ValueWriter::append_other(PyObject* object, PyTypeObject* type) {
  if (const ValueClass* const known = classes_.find(type)) {
    switch (known->kind) {
      case ValueClass::Kind::converted:
        return append_converted(object, *known);
      case ValueClass::Kind::member:
        return append_member(object, *known);
      default:
        return append_instance(object, *known);
    }
  }
  const Stdlib what = stdlib_type(type);
  if (what == Stdlib::complex) {
    write_tag(out_, cbor::complex_tag);
    out_.head(Major::array, 2);
    out_.binary64(PyComplex_RealAsDouble(object));
    out_.binary64(PyComplex_ImagAsDouble(object));
    return true;
  }
  if (is_one_form(what)) {
    Canonical canonical;
    if (!canonical.append(object)) {
      refused_ = canonical.without();
      return false;
    }
    out_.append(canonical.bytes());
    return true;
  }
  return append_numpy(out_, object);
}

bool ValueWriter::append_member(PyObject* member, const ValueClass& known) {
  const Object name = Object::checked(PyObject_GetAttrString(member, "_name_"));
  const Object named = Object::checked(PyObject_GetAttrString(known.type.get(), "_member_map_"));
  const Object found = Object::owned(PyObject_GetItem(named.get(), name.get()));
  if (!found && PyErr_ExceptionMatches(PyExc_KeyError) == 0) throw Raised();
  PyErr_Clear();
  if (found.get() != member) return false;  // Several flags together.
  write_tag(out_, cbor::member_tag);
  out_.head(Major::array, 2);
  write_text(out_, known.name.get());
  write_text(out_, name.get());
  return true;
}

// [description of the class, values of the fields].
bool ValueWriter::append_instance(PyObject* object, const ValueClass& known) {
  const Py_ssize_t count = PyTuple_GET_SIZE(known.fields.get());
  write_tag(out_, cbor::instance_tag);
  out_.head(Major::array, static_cast<std::uint64_t>(count) + 1);
  const bool in_dict = describe(known).in_dict;
  if (known.kind == ValueClass::Kind::record) return append_fields(object, known, in_dict);
  if (PyTuple_GET_SIZE(object) != count) return false;
  PyObject* const* const items = &PyTuple_GET_ITEM(object, 0);
  return std::all_of(items, items + count, [&](PyObject* item) { return append(item); });
}

// The first time the description is its name and the names of its fields, after that its number.
const ValueWriter::Described& ValueWriter::describe(const ValueClass& known) {
  const auto found = std::find_if(described_.begin(), described_.end(),
                                  [&](const Described& one) { return one.known == &known; });
  if (found != described_.end()) {
    out_.head(Major::natural, static_cast<std::uint64_t>(found - described_.begin()));
    return *found;
  }
  const Py_ssize_t count = PyTuple_GET_SIZE(known.fields.get());
  out_.head(Major::array, static_cast<std::uint64_t>(count) + 1);
  write_text(out_, known.name.get());
  for (Py_ssize_t i = 0; i < count; ++i) {
    write_text(out_, PyTuple_GET_ITEM(known.fields.get(), i));
  }
  return described_.emplace_back(Described{&known, fields_in_dict(known)});
}

// Most instances have in their dict the fields and nothing else, in the order in which the class
// names them: to walk it is half the work of asking for each. Attributes that somebody added would
// be lost.
bool ValueWriter::append_fields(PyObject* object, const ValueClass& known, bool in_dict) {
  const Py_ssize_t count = PyTuple_GET_SIZE(known.fields.get());
  Object dict;
  if (Py_TYPE(object)->tp_dictoffset != 0) {
    dict = Object::checked(PyObject_GenericGetDict(object, nullptr));
  }
  Py_ssize_t at = 0, others = dict ? PyDict_GET_SIZE(dict.get()) : 0;
  PyObject *key = nullptr, *value = nullptr;
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* const name = PyTuple_GET_ITEM(known.fields.get(), i);
    in_dict = in_dict && PyDict_Next(dict.get(), &at, &key, &value) != 0 && key == name;
    if (in_dict || (dict && PyDict_Contains(dict.get(), name) == 1)) --others;
    if (in_dict && append_atom(value, Py_TYPE(value))) continue;
    const Object held =
        in_dict ? Object::shared(value) : Object::owned(PyObject_GenericGetAttr(object, name));
    if (!held) {
      if (PyErr_ExceptionMatches(PyExc_AttributeError) == 0) throw Raised();
      PyErr_Clear();
      return false;  // A field that was deleted.
    }
    if (!append(held.get())) return false;
  }
  return others <= 0;
}

// [name of the class, what its `encode` made of it].
bool ValueWriter::append_converted(PyObject* object, const ValueClass& known) {
  const Object made = Object::checked(PyObject_CallOneArg(known.encode.get(), object));
  write_tag(out_, cbor::converted_tag);
  out_.head(Major::array, 2);
  write_text(out_, known.name.get());
  return append(made.get());
}

}  // namespace dcache::python
