// SPDX-License-Identifier: MIT
/// An object that stands for the canonical bytes of an argument in a key.
///
/// No argument is of its type, so it is the same as another of its kind with the same bytes and as
/// nothing else.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#include "object.hpp"

namespace dcache::python {

struct CanonicalKey {
  PyObject_VAR_HEAD std::uint64_t hash;
  bool names_main;  // Something in it is named by `__main__`.
  char bytes[1];

  std::string_view view() const noexcept {
    return {bytes, static_cast<std::size_t>(ob_base.ob_size)};
  }
};

extern PyTypeObject canonical_key_type;

inline bool is_canonical_key(PyObject* object) noexcept {
  return Py_TYPE(object) == &canonical_key_type;
}
inline const CanonicalKey& as_canonical_key(PyObject* object) noexcept {
  return *reinterpret_cast<CanonicalKey*>(object);
}
inline bool same_canonical(PyObject* a, PyObject* b) noexcept {
  return as_canonical_key(a).view() == as_canonical_key(b).view();
}

/// Throws `Raised`.
Object make_canonical_key(std::string_view bytes, bool names_main);

/// Makes the type. False: a Python error is set.
bool prepare_canonical_key();

}  // namespace dcache::python
