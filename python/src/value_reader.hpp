// SPDX-License-Identifier: MIT
/// The objects that `ValueWriter` wrote, from bytes that are not believed.
///
/// Nothing is imported, called or looked up because the bytes say so: classes are those of
/// `ValueClasses`, and their `__init__`, `__post_init__`, `__setstate__` and `_missing_` are not
/// run. Guarded by the interpreter's lock.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "dcache/engine/cbor_reader.hpp"
#include "dcache/engine/record_fault.hpp"

#include "known_keys.hpp"
#include "object.hpp"
#include "value_classes.hpp"

namespace dcache::python {

class ValueReader {
 public:
  /// Both outlive the reader.
  ValueReader(std::string_view bytes, const ValueClasses& classes) noexcept
      : reader_(bytes), classes_(classes) {}

  /// The object; empty: `fault` says why. Throws `Raised` for what is no fault of the bytes: no
  /// memory, Ctrl-C.
  Object read();

  engine::RecordFault fault() const noexcept { return fault_; }

 private:
  using Head = engine::cbor::Head;

  // What makes the many items of a container returns a reference as the interpreter does, in a
  // register; null where an `Object` would be empty.
  PyObject* item();
  PyObject* next();
  PyObject* item_of(const Head& head);
  PyObject* deeper(const Head& head);
  PyObject* integer(const Head& head);
  PyObject* bytes_of(const Head& head);
  PyObject* text(const Head& head);
  PyObject* long_text(std::string_view bytes);
  PyObject* key();
  PyObject* other_key(const Head& head);
  template <class Container>
  PyObject* items(Py_ssize_t count);
  PyObject* list(Py_ssize_t count);
  PyObject* dict(const Head& head);
  Object tuple(Py_ssize_t count);
  Object one() { return Object::owned(item()); }
  Object tagged(std::uint64_t tag);
  Object bignum(bool negative);
  Object set(bool frozen);
  Object surrogates();
  Object instance();
  Object make_instance(const ValueClass& known);
  const ValueClass* described(const Head& head);
  Object member();
  Object converted();
  Object stdlib(std::uint64_t tag);
  Object typed(std::uint64_t tag);
  Object untyped(bool scalar);
  Object made_or_refused(Object made);

  bool bytes(std::string_view& bytes);
  bool array(Py_ssize_t& count);
  bool array_of(Py_ssize_t count);

  /// What the bytes are to blame for. Nothing, for the caller to return.
  [[gnu::cold]] std::nullptr_t refuse(engine::RecordFault fault = engine::RecordFault::mismatch);
  /// The same where the interpreter has said so, unless nobody is to blame.
  [[gnu::cold]] std::nullptr_t refuse_raised();

  engine::cbor::Reader reader_;
  KnownKeys& known_ = known_keys();
  const ValueClasses& classes_;
  std::vector<const ValueClass*> described_;
  engine::RecordFault fault_ = engine::RecordFault::none;
  int depth_ = 0;
};

}  // namespace dcache::python
