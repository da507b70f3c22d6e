// SPDX-License-Identifier: MIT
/// Results of functions as bytes for far tiers: CBOR (docs/formats.md), exactly or not at all.
///
/// Only objects of exactly the types of docs/formats.md and of `ValueClasses` are written; what a
/// subclass would lose is no value. Dicts keep their order and floats all their bits. Guarded by
/// the interpreter's lock.
#pragma once

#include <cstdint>
#include <vector>

#include "byte_buffer.hpp"
#include "canonical.hpp"
#include "object.hpp"
#include "value_classes.hpp"

namespace dcache::python {

class ValueWriter {
 public:
  /// `classes`: those whose instances may be written. Outlives the writer.
  explicit ValueWriter(const ValueClasses& classes) noexcept : classes_(classes) {}
  ValueWriter(const ValueWriter&) = delete;
  ValueWriter& operator=(const ValueWriter&) = delete;

  /// The bytes of `object`, an object of the interpreter. Empty: it, or something in it
  /// (`refused`), is no value. Throws `Raised`: RecursionError for what is nested more than
  /// `Canonical::depth_max` levels deep or holds itself, RuntimeError for what changes meanwhile.
  Object write(PyObject* object);

  const Object& refused() const noexcept { return refused_; }
  /// The class of that is known: something of this very object would be lost.
  bool knows_refused() const noexcept { return classes_.find(Py_TYPE(refused_.get())) != nullptr; }

 private:
  bool append(PyObject* object);
  /// False: it is nothing that runs no Python and holds nothing; not written.
  bool append_atom(PyObject* object, PyTypeObject* type);
  bool append_deeper(PyObject* object);
  bool append_compound(PyObject* object, PyTypeObject* type);
  bool append_items(PyObject* const* items, Py_ssize_t count);
  bool append_list(PyObject* list);
  bool append_dict(PyObject* dict);
  bool append_set(PyObject* set, std::uint64_t tag);
  bool append_other(PyObject* object, PyTypeObject* type);
  bool append_member(PyObject* member, const ValueClass& known);
  bool append_instance(PyObject* object, const ValueClass& known);
  bool append_fields(PyObject* object, const ValueClass& known, bool in_dict);
  bool append_converted(PyObject* object, const ValueClass& known);

  struct Described {
    const ValueClass* known;
    bool in_dict;  // Its fields are what the dicts of its instances hold.
  };
  const Described& describe(const ValueClass& known);

  const ValueClasses& classes_;
  ByteBuffer out_;
  std::vector<Described> described_;  // In the order of their numbers.
  Object refused_;
  int depth_ = 0;
};

}  // namespace dcache::python
