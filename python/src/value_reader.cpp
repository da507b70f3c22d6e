// SPDX-License-Identifier: MIT
#include "value_reader.hpp"

#include <algorithm>
#include <climits>

#include "dcache/engine/cbor_tags.hpp"

#include "canonical.hpp"
#include "known_keys.hpp"
#include "numpy_arrays.hpp"
#include "stdlib_values.hpp"

namespace dcache::python {
namespace {

namespace cbor = engine::cbor;
using cbor::Major;
using engine::RecordFault;

PyObject* new_dict([[maybe_unused]] std::uint64_t pairs) {
#if PY_VERSION_HEX < 0x030D0000
  constexpr std::uint64_t usual = 5;  // What fits into one that is not told.
  constexpr std::uint64_t believed = 1000;
  if (pairs > usual) return _PyDict_NewPresized(static_cast<Py_ssize_t>(std::min(pairs, believed)));
#endif
  return PyDict_New();
}

}  // namespace

Object ValueReader::read() {
  Object object = item();
  if (object && !reader_.at_end()) return refuse(RecordFault::malformed);
  return object;
}

Object ValueReader::refuse(RecordFault fault) {
  if (fault_ == RecordFault::none) {
    fault_ = fault != RecordFault::mismatch || !reader_.failed() ? fault : RecordFault::malformed;
  }
  reader_.fail();
  return Object();
}

Object ValueReader::refuse_raised() {
  if (PyErr_ExceptionMatches(PyExc_Exception) == 0 ||
      PyErr_ExceptionMatches(PyExc_MemoryError) != 0) {
    throw Raised();
  }
  const bool deep = PyErr_ExceptionMatches(PyExc_RecursionError) != 0;
  PyErr_Clear();
  return refuse(deep ? RecordFault::too_deep : RecordFault::mismatch);
}

Object ValueReader::item() {
  Head head;
  if (!reader_.read(head)) return refuse(RecordFault::malformed);
  return item_of(head);
}

Object ValueReader::item_of(const Head& head) {
  switch (head.major) {
    case Major::natural:
    case Major::negative:
      return integer(head);
    case Major::text:
      return text(head);
    case Major::bytes: {
      std::string_view bytes;
      if (!reader_.take(head, bytes)) return refuse(RecordFault::malformed);
      return Object::checked(
          PyBytes_FromStringAndSize(bytes.data(), static_cast<Py_ssize_t>(bytes.size())));
    }
    case Major::simple:
      if (head.is_float()) return Object::checked(PyFloat_FromDouble(cbor::float_of(head)));
      if (head.is_null()) return Object::shared(Py_None);
      if (head.is_true()) return Object::shared(Py_True);
      if (head.is_false()) return Object::shared(Py_False);
      return refuse(RecordFault::malformed);
    default:
      break;
  }
  if (depth_ >= Canonical::depth_max) return refuse(RecordFault::too_deep);
  ++depth_;  // Ours alone: the interpreter's own count would cost a fifth of a small dict.
  Object object = head.major == Major::map     ? dict(head)
                  : head.major == Major::array ? list(head)
                                               : tagged(head.value);
  --depth_;
  return object;
}

Object ValueReader::integer(const Head& head) {
  const bool negative = head.major == Major::negative;
  if (head.value <= static_cast<std::uint64_t>(LONG_MAX)) [[likely]] {
    const long value = static_cast<long>(head.value);
    return Object::checked(PyLong_FromLong(negative ? -1 - value : value));
  }
  Object natural = Object::checked(PyLong_FromUnsignedLongLong(head.value));
  return negative ? Object::checked(PyNumber_Invert(natural.get())) : natural;
}

Object ValueReader::text(const Head& head) {
  std::string_view bytes;
  if (!reader_.take(head, bytes)) return refuse(RecordFault::malformed);
  return text_of(bytes);
}

Object ValueReader::text_of(std::string_view bytes) {
  if (is_ascii(bytes)) return ascii_text(bytes);
  Object text = Object::owned(
      PyUnicode_DecodeUTF8(bytes.data(), static_cast<Py_ssize_t>(bytes.size()), "strict"));
  return text ? text : refuse_raised();
}

Object ValueReader::key() {
  Head head;
  if (!reader_.read(head)) return refuse(RecordFault::malformed);
  if (head.major != Major::text || head.value < KnownKeys::shortest ||
      head.value > KnownKeys::longest) {
    return item_of(head);
  }
  std::string_view bytes;
  if (!reader_.take(head, bytes)) return refuse(RecordFault::malformed);
  Object known = known_keys().of(bytes);
  return known ? known : text_of(bytes);
}

Object ValueReader::list(const Head& head) {
  return items(static_cast<Py_ssize_t>(head.value), &PyList_New, false);
}

// A container is seen by the collector only when it is complete.
Object ValueReader::items(Py_ssize_t count, PyObject* (*make)(Py_ssize_t), bool is_tuple) {
  Object all = Object::checked(make(count));
  if (count > 0 && PyObject_GC_IsTracked(all.get()) != 0) PyObject_GC_UnTrack(all.get());
  for (Py_ssize_t i = 0; i < count; ++i) {
    Object one = item();
    if (!one) return Object();
    if (is_tuple) {
      PyTuple_SET_ITEM(all.get(), i, one.release());
    } else {
      PyList_SET_ITEM(all.get(), i, one.release());
    }
  }
  if (count > 0) PyObject_GC_Track(all.get());
  return all;
}

Object ValueReader::dict(const Head& head) {
  Object dict = Object::checked(new_dict(head.value));
  for (std::uint64_t i = 0; i < head.value; ++i) {
    const Object name = key();
    if (!name) return Object();
    const Object value = item();
    if (!value) return Object();
    if (PyDict_SetItem(dict.get(), name.get(), value.get()) != 0) return refuse_raised();
  }
  if (static_cast<std::uint64_t>(PyDict_GET_SIZE(dict.get())) != head.value) {
    return refuse(RecordFault::malformed);  // A key that comes twice.
  }
  return dict;
}

bool ValueReader::array(Py_ssize_t& count) {
  Head head;
  if (!reader_.read(head) || head.major != Major::array) return false;
  count = static_cast<Py_ssize_t>(head.value);
  return true;
}

bool ValueReader::array_of(Py_ssize_t count) {
  Py_ssize_t there = 0;
  return array(there) && there == count;
}

Object ValueReader::tagged(std::uint64_t tag) {
  switch (tag) {
    case cbor::positive_bignum_tag:
    case cbor::negative_bignum_tag:
      return bignum(tag == cbor::negative_bignum_tag);
    case cbor::tuple_tag: {
      Py_ssize_t count = 0;
      if (!array(count)) return refuse();
      return items(count, &PyTuple_New, true);
    }
    case cbor::set_tag:
    case cbor::frozenset_tag:
      return set(tag == cbor::frozenset_tag);
    case cbor::surrogates_tag:
      return surrogates();
    case cbor::instance_tag:
      return instance();
    case cbor::member_tag:
      return member();
    case cbor::converted_tag:
      return converted();
    case cbor::array_tag:
    case cbor::scalar_tag:
      return untyped(tag == cbor::scalar_tag);
    case cbor::row_major_tag:
    case cbor::column_major_tag:
      return typed(tag);
    default:
      return typed_array(tag) != nullptr ? typed(tag) : stdlib(tag);
  }
}

Object ValueReader::bignum(bool negative) {
  std::string_view digits;
  if (!bytes(digits)) return refuse();
  // What 64 bits hold is no bignum, and neither is one with leading zeros.
  if (digits.size() <= 8 || digits.front() == 0) return refuse(RecordFault::malformed);
  Object natural = Object::checked(_PyLong_FromByteArray(
      reinterpret_cast<const unsigned char*>(digits.data()), digits.size(), 0, 0));
  return negative ? Object::checked(PyNumber_Invert(natural.get())) : natural;
}

Object ValueReader::set(bool frozen) {
  Py_ssize_t count = 0;
  if (!array(count)) return refuse();
  Object set = Object::checked(frozen ? PyFrozenSet_New(nullptr) : PySet_New(nullptr));
  for (Py_ssize_t i = 0; i < count; ++i) {
    const Object one = item();
    if (!one) return Object();
    if (PySet_Add(set.get(), one.get()) != 0) return refuse_raised();
  }
  if (PySet_GET_SIZE(set.get()) != count) return refuse(RecordFault::malformed);
  return set;
}

Object ValueReader::surrogates() {
  std::string_view content;
  if (!bytes(content)) return refuse();
  Object text = Object::owned(PyUnicode_DecodeUTF8(
      content.data(), static_cast<Py_ssize_t>(content.size()), "surrogatepass"));
  return text ? text : refuse_raised();
}

// By its number, or by its name and fields, which must be those that the class has now.
const ValueClass* ValueReader::described(const Head& head) {
  if (head.major == Major::natural) {
    return head.value < described_.size() ? described_[head.value] : nullptr;
  }
  if (head.major != Major::array || head.value == 0) return nullptr;
  const Object name = item();
  if (!name || PyUnicode_CheckExact(name.get()) == 0) return nullptr;
  const ValueClass* const known = classes_.find_named(name.get());
  if (known == nullptr || !known->fields) return nullptr;
  const Py_ssize_t count = PyTuple_GET_SIZE(known->fields.get());
  if (head.value != static_cast<std::uint64_t>(count) + 1) return nullptr;
  for (Py_ssize_t i = 0; i < count; ++i) {
    const Object field = key();
    if (!field || PyUnicode_CheckExact(field.get()) == 0 ||
        PyUnicode_Compare(field.get(), PyTuple_GET_ITEM(known->fields.get(), i)) != 0) {
      return nullptr;
    }
  }
  described_.push_back(known);
  return known;
}

Object ValueReader::instance() {
  Py_ssize_t count = 0;
  Head head;
  if (!array(count) || count == 0 || !reader_.read(head)) return refuse();
  const ValueClass* const known = described(head);
  if (known == nullptr || count != PyTuple_GET_SIZE(known->fields.get()) + 1) return refuse();
  return make_instance(*known);
}

Object ValueReader::make_instance(const ValueClass& known) {
  static PyObject* const no_arguments = PyTuple_New(0);
  auto* const type = reinterpret_cast<PyTypeObject*>(known.type.get());
  const Py_ssize_t count = PyTuple_GET_SIZE(known.fields.get());
  if (known.kind == ValueClass::Kind::tuple) {
    const Object parts = items(count, &PyTuple_New, true);
    if (!parts) return Object();
    const Object arguments = Object::checked(PyTuple_Pack(1, parts.get()));
    return Object::checked(PyTuple_Type.tp_new(type, arguments.get(), nullptr));
  }
  Object made = Object::owned(PyBaseObject_Type.tp_new(type, no_arguments, nullptr));
  if (!made) return refuse_raised();
  for (Py_ssize_t i = 0; i < count; ++i) {
    const Object value = item();
    if (!value) return Object();
    PyObject* const name = PyTuple_GET_ITEM(known.fields.get(), i);
    if (PyObject_GenericSetAttr(made.get(), name, value.get()) != 0) return refuse_raised();
  }
  return made;
}

Object ValueReader::member() {
  if (!array_of(2)) return refuse();
  const Object class_name = item();
  if (!class_name) return Object();
  const Object name = item();
  if (!name) return Object();
  if (PyUnicode_CheckExact(class_name.get()) == 0 || PyUnicode_CheckExact(name.get()) == 0) {
    return refuse();
  }
  const ValueClass* const known = classes_.find_named(class_name.get());
  if (known == nullptr || known->kind != ValueClass::Kind::member) return refuse();
  const Object members = Object::owned(PyObject_GetAttrString(known->type.get(), "_member_map_"));
  if (!members) return refuse_raised();
  Object found = Object::owned(PyObject_GetItem(members.get(), name.get()));
  return found ? found : refuse_raised();
}

Object ValueReader::converted() {
  if (!array_of(2)) return refuse();
  const Object name = item();
  if (!name) return Object();
  if (PyUnicode_CheckExact(name.get()) == 0) return refuse();
  const ValueClass* const known = classes_.find_named(name.get());
  if (known == nullptr || known->kind != ValueClass::Kind::converted) return refuse();
  const Object stands_for = item();
  if (!stands_for) return Object();
  Object made = Object::owned(PyObject_CallOneArg(known->decode.get(), stands_for.get()));
  return made ? made : refuse_raised();
}

// Types of the standard library are made of the item that the tag is for.
Object ValueReader::stdlib(std::uint64_t tag) {
  const Object content = item();
  if (!content) return Object();
  return made_or_refused(stdlib_of(tag, content.get()));
}

Object ValueReader::made_or_refused(Object made) {
  if (made) return made;
  return PyErr_Occurred() != nullptr ? refuse_raised() : refuse();
}

bool ValueReader::bytes(std::string_view& bytes) {
  Head head;
  return reader_.read(head) && head.major == Major::bytes && reader_.take(head, bytes);
}

// A typed array, alone or with dimensions before it.
Object ValueReader::typed(std::uint64_t tag) {
  Object dimensions;
  const bool shaped = tag == cbor::row_major_tag || tag == cbor::column_major_tag;
  Head head;
  head.value = tag;
  if (shaped) {
    if (!array_of(2)) return refuse();
    dimensions = item();
    if (!dimensions) return Object();
    if (!reader_.read(head) || head.major != Major::tag) return refuse();
  }
  const char* const name = typed_array(head.value);
  std::string_view content;
  if (name == nullptr || !bytes(content)) return refuse();
  const Object type = Object::checked(PyUnicode_FromString(name));
  return made_or_refused(
      make_array(type.get(), dimensions.get(), tag == cbor::column_major_tag, content));
}

Object ValueReader::untyped(bool scalar) {
  if (!array_of(scalar ? 2 : 4)) return refuse();
  const Object type = item();
  if (!type) return Object();
  std::string_view content;
  if (scalar) {
    if (!bytes(content)) return refuse();
    return made_or_refused(make_scalar(type.get(), content));
  }
  const Object order = item();
  if (!order) return Object();
  const Object dimensions = item();
  if (!dimensions) return Object();
  if (PyUnicode_CheckExact(order.get()) == 0 || !bytes(content)) return refuse();
  const bool fortran = PyUnicode_CompareWithASCIIString(order.get(), "F") == 0;
  return made_or_refused(make_array(type.get(), dimensions.get(), fortran, content));
}

}  // namespace dcache::python
