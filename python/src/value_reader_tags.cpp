// SPDX-License-Identifier: MIT
// What a tag stands before: all but the plain items of `value_reader.cpp`.
#include "dcache/engine/cbor_tags.hpp"

#include "numpy_arrays.hpp"
#include "stdlib_values.hpp"
#include "value_reader.hpp"

namespace dcache::python {
namespace {

namespace cbor = engine::cbor;
using cbor::Major;
using engine::RecordFault;

}  // namespace

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
      return tuple(count);
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
      return is_typed_array(tag) ? typed(tag) : stdlib(tag);
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
    const Object value = one();
    if (!value) return Object();
    if (PySet_Add(set.get(), value.get()) != 0) return refuse_raised();
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
  const Object name = one();
  if (!name || PyUnicode_CheckExact(name.get()) == 0) return nullptr;
  const ValueClass* const known = classes_.find_named(name.get());
  if (known == nullptr || !known->fields) return nullptr;
  const Py_ssize_t count = PyTuple_GET_SIZE(known->fields.get());
  if (head.value != static_cast<std::uint64_t>(count) + 1) return nullptr;
  for (Py_ssize_t i = 0; i < count; ++i) {
    const Object field = one();
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
    const Object parts = tuple(count);
    if (!parts) return Object();
    const Object arguments = Object::checked(PyTuple_Pack(1, parts.get()));
    return Object::checked(PyTuple_Type.tp_new(type, arguments.get(), nullptr));
  }
  Object made = Object::owned(PyBaseObject_Type.tp_new(type, no_arguments, nullptr));
  if (!made) return refuse_raised();
  for (Py_ssize_t i = 0; i < count; ++i) {
    const Object value = one();
    if (!value) return Object();
    PyObject* const name = PyTuple_GET_ITEM(known.fields.get(), i);
    if (PyObject_GenericSetAttr(made.get(), name, value.get()) != 0) return refuse_raised();
  }
  return made;
}

Object ValueReader::member() {
  if (!array_of(2)) return refuse();
  const Object class_name = one();
  if (!class_name) return Object();
  const Object name = one();
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
  const Object name = one();
  if (!name) return Object();
  if (PyUnicode_CheckExact(name.get()) == 0) return refuse();
  const ValueClass* const known = classes_.find_named(name.get());
  if (known == nullptr || known->kind != ValueClass::Kind::converted) return refuse();
  const Object stands_for = one();
  if (!stands_for) return Object();
  Object made = Object::owned(PyObject_CallOneArg(known->decode.get(), stands_for.get()));
  return made ? made : refuse_raised();
}

// Types of the standard library are made of the item that the tag is for.
Object ValueReader::stdlib(std::uint64_t tag) {
  const Object content = one();
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
    dimensions = one();
    if (!dimensions) return Object();
    if (!reader_.read(head) || head.major != Major::tag) return refuse();
  }
  std::string_view content;
  if (!is_typed_array(head.value) || !bytes(content)) return refuse();
  const Object dtype = made_or_refused(dtype_of(head.value));
  if (!dtype) return Object();
  return made_or_refused(
      make_array(dtype.get(), dimensions.get(), tag == cbor::column_major_tag, content));
}

Object ValueReader::untyped(bool scalar) {
  if (!array_of(scalar ? 2 : 4)) return refuse();
  const Object name = one();
  if (!name) return Object();
  const Object dtype = made_or_refused(dtype_of(name.get()));
  if (!dtype) return Object();
  std::string_view content;
  if (scalar) {
    if (!bytes(content)) return refuse();
    return made_or_refused(make_scalar(dtype.get(), content));
  }
  const Object order = one();
  if (!order) return Object();
  const Object dimensions = one();
  if (!dimensions) return Object();
  if (PyUnicode_CheckExact(order.get()) == 0 || !bytes(content)) return refuse();
  const bool fortran = PyUnicode_CompareWithASCIIString(order.get(), "F") == 0;
  return made_or_refused(make_array(dtype.get(), dimensions.get(), fortran, content));
}

}  // namespace dcache::python
