// SPDX-License-Identifier: MIT
/// The classes that values of one function may be of, besides those that every program knows.
///
/// Made by the package (`_values.py`) from annotations and registrations; nothing is ever added
/// because stored bytes name it.
#pragma once

#include <cstdint>
#include <vector>

#include "object.hpp"

namespace dcache::python {

struct ValueClass {
  enum class Kind : std::uint8_t {
    record,     ///< Its fields are its attributes: dataclasses, attrs classes.
    tuple,      ///< A named tuple.
    member,     ///< An enum.
    converted,  ///< `encode` makes a value of it, `decode` makes it of that.
  };

  Kind kind = Kind::record;
  Object type;
  Object name;    ///< "module:qualname", text.
  Object fields;  ///< Their names, a tuple of text.
  Object encode;
  Object decode;
};

class ValueClasses {
 public:
  /// `described`: a sequence of (kind, class, name, fields, encode, decode). Throws `Raised`.
  explicit ValueClasses(PyObject* described);

  /// Null: none of them.
  const ValueClass* find(PyTypeObject* type) const noexcept {
    for (const ValueClass& one : classes_) {
      if (one.type.get() == reinterpret_cast<PyObject*>(type)) return &one;
    }
    return nullptr;
  }
  /// By name, a text. Throws `Raised`.
  const ValueClass* find_named(PyObject* name) const;

 private:
  std::vector<ValueClass> classes_;
};

/// Makes the type of the objects that hold them for the package: `ValueCodec`.
bool prepare_values(PyObject* module);
/// Of a `ValueCodec`. REQUIRES: it is one.
const ValueClasses& classes_of(PyObject* codec) noexcept;
bool is_value_codec(PyObject* object) noexcept;

}  // namespace dcache::python
