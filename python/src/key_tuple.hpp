// SPDX-License-Identifier: MIT
/// The arguments of one call as one object: what a table keeps where a single argument is not
/// enough.
///
/// Unlike a tuple it is unknown to the collector (the function that keeps it visits the items
/// itself), so it costs no header of the collector and cannot be met by anybody's code. Where the
/// first argument of a method stands, it may hold an instance weakly (`instances.hpp`).
#pragma once

#include <cstdint>

#include "object.hpp"

namespace dcache::python {

struct Instance;

struct KeyTuple {
  PyObject_VAR_HEAD PyObject*
      items[1];  // One of them is null where the instance of a method stands.

  /// Where a key of a method hangs in the list of its instance. Behind the items, in such keys
  /// only.
  struct Link {
    Instance* instance;  // Null: it is gone.
    KeyTuple* previous;
    KeyTuple* next;
    std::uint64_t hash;
  };

  Py_ssize_t size() const noexcept { return ob_base.ob_size; }
  Link& link() noexcept { return *reinterpret_cast<Link*>(items + size()); }
};

extern PyTypeObject key_tuple_type;

inline bool is_key_tuple(PyObject* object) noexcept { return Py_TYPE(object) == &key_tuple_type; }
inline KeyTuple& as_key_tuple(PyObject* object) noexcept {
  return *reinterpret_cast<KeyTuple*>(object);
}

/// A key of these. `weak_at` >= 0: that one stands for an instance; the caller links it. Throws
/// `Raised`.
Object make_key_tuple(PyObject* const* items, Py_ssize_t count, Py_ssize_t weak_at);

/// Makes the type. False: a Python error is set.
bool prepare_key_tuple();

}  // namespace dcache::python
