// SPDX-License-Identifier: MIT
/// Canonical bytes of arguments: equal for equal contents of the same types, whatever the order of
/// sets and dicts and whatever the process; different otherwise.
///
/// Deterministic CBOR (RFC 8949, section 4.2) of objects of exactly these types: `None`, `bool`,
/// `int`, `float`, `complex`, `str`, `bytes`, `list`, `tuple`, `dict`, `set`, `frozenset`, `range`,
/// `slice`, `Decimal`, `Fraction`, `date`, `time`, `datetime` (naive, or in a `timezone` or a named
/// `ZoneInfo`), `timedelta`, `UUID`, the paths of `pathlib`; of `...`; of arrays and scalars of
/// NumPy; and of enum members, classes and functions whose qualified name leads to them. Of any
/// other class whose name leads to it: what its `__dcache_key__` returns, what its registration
/// makes of it
/// (`dcache.register`), or the fields of a dataclass, attrs class, pydantic model or named tuple.
/// There is one NaN, for two NaNs do the same to any function that does not look at their bits; 0.0
/// and -0.0 are two.
#pragma once

#include <cstdint>
#include <string>

#include "canonical_key.hpp"
#include "object.hpp"

namespace dcache::python {

/// True: arguments of this type are keyed by their canonical bytes if they have any: containers,
/// types whose `==` is looser than their content, and those without a hash.
bool keyed_by_content(PyTypeObject* type) noexcept;

/// Writes one argument after the other. Guarded by the interpreter's lock.
class Canonical {
 public:
  Canonical();
  Canonical(const Canonical&) = delete;
  Canonical& operator=(const Canonical&) = delete;
  ~Canonical();

  /// Appends the canonical bytes of `object`. False: it, or something in it, has no canonical form;
  /// the bytes are in no defined state then. Throws `Raised`: RecursionError for what is nested
  /// more than `depth_max` levels deep or holds itself, RuntimeError for what changes meanwhile.
  /// It runs Python only where other objects than containers, numbers, text and times are in it.
  bool append(PyObject* object);

  /// Appends the head of an array of so many items.
  void append_array_head(Py_ssize_t count);
  /// Appends the tag of the surplus keyword arguments of a call.
  void append_keywords_tag();

  /// Stands for a default that has no canonical form: one of a parameter.
  void append_default_of(PyObject* parameter);

  std::string& bytes() noexcept { return bytes_; }
  /// What had no canonical form; or none.
  const Object& without() const noexcept { return without_; }
  /// True: a name in it begins with `__main__`, which is another module in every program.
  bool names_main() const noexcept { return names_main_; }

  static constexpr int depth_max = 1000;

 private:
  class Deeper;

  bool append_atom(PyObject* object, PyTypeObject* type);
  bool append_compound(PyObject* object, PyTypeObject* type);
  bool append_items(PyObject* const* items, Py_ssize_t count);
  bool append_list(PyObject* list);
  bool append_set(PyObject* set, bool frozen);
  bool append_dict(PyObject* dict);
  bool append_other(PyObject* object, PyTypeObject* type);
  bool append_named(PyObject* object);
  bool append_name_of(PyObject* object);
  bool append_member(PyObject* member);
  bool append_instance(PyObject* object, PyTypeObject* type);
  bool append_stand_in(PyTypeObject* type, PyObject* stand_in);
  bool append_fields(PyObject* object, PyTypeObject* type, PyObject* names);
  bool append_attributes(PyObject* object, std::uint64_t tag,
                         std::initializer_list<const char*> names);
  bool append_time(PyObject* time);
  bool append_datetime(PyObject* datetime);
  bool append_uuid(PyObject* uuid);
  bool append_zone(PyObject* zone);
  bool append_zone_anew(PyObject* zone);

  std::string bytes_;
  Object without_;
  int depth_ = 0;
  bool names_main_ = false;
};

/// Empty: no canonical form.
Object canonical_key(PyObject* object);

}  // namespace dcache::python
