// SPDX-License-Identifier: MIT
/// The objects that `ValueWriter` wrote, from bytes that are not believed.
///
/// Nothing is imported, called or looked up because the bytes say so: classes are those of
/// `ValueClasses`, and their `__init__`, `__post_init__`, `__setstate__` and `_missing_` are not
/// run. Guarded by the interpreter's lock.
#pragma once

#include <string_view>
#include <vector>

#include "dcache/engine/cbor_reader.hpp"
#include "dcache/engine/record_fault.hpp"

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

  Object item();
  Object item_of(const Head& head);
  Object integer(const Head& head);
  Object text(const Head& head);
  Object text_of(std::string_view bytes);
  Object key();
  Object list(const Head& head);
  Object items(Py_ssize_t count, PyObject* (*make)(Py_ssize_t), bool is_tuple);
  Object dict(const Head& head);
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

  /// What the bytes are to blame for. Empty, for the caller to return.
  Object refuse(engine::RecordFault fault = engine::RecordFault::mismatch);
  /// The same where the interpreter has said so, unless nobody is to blame.
  Object refuse_raised();

  engine::cbor::Reader reader_;
  const ValueClasses& classes_;
  std::vector<const ValueClass*> described_;
  engine::RecordFault fault_ = engine::RecordFault::none;
  int depth_ = 0;
};

}  // namespace dcache::python
