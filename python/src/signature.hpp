// SPDX-License-Identifier: MIT
/// A call bound to the parameters of its function, defaults filled in.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "key.hpp"
#include "object.hpp"

namespace dcache::python {

/// The arguments of one call in the order of the parameters. Lives on the caller's stack; borrows
/// from the call and from the signature.
class Bound {
 public:
  Arguments arguments() const noexcept { return {begin_, count_}; }

 private:
  friend class Signature;
  static constexpr std::size_t in_place = 12;

  PyObject* const* begin_ = nullptr;
  Py_ssize_t count_ = 0;
  std::array<PyObject*, in_place> few_;
  std::vector<PyObject*> many_;
};

/// What a function takes. Immutable once made, but for what it remembers of call sites; guarded by
/// the interpreter's lock.
class Signature {
 public:
  /// Of anything: the raw spelling is the key.
  Signature() = default;
  /// Of a function written in Python: parameter i goes to slot i of `Bound`, after the slots the
  /// surplus positional arguments, then a mark with name and value of each surplus keyword. Throws
  /// `Raised` if `ignored` (a tuple of names, or null) names no parameter.
  Signature(PyObject* function, PyObject* ignored);

  /// Throws `Raised`: TypeError, worded as the interpreter words it, if the arguments do not fit.
  void bind(PyObject* const* args, Py_ssize_t positional, PyObject* names, Bound& bound);

  /// True: the arguments of such a call are bound as they are.
  bool exact(Py_ssize_t positional, PyObject* names) const noexcept {
    return names == nullptr && (positional == exact_ || !known_);
  }

  /// The name of the parameter that argument `at` of `Bound` belongs to; null: it has none.
  PyObject* name_of(Py_ssize_t at) const noexcept {
    return at < std::ssize(names_) ? names_[static_cast<std::size_t>(at)].get() : nullptr;
  }

 private:
  // Where the arguments of a call with such keywords go.
  struct Site {
    Object names;
    Py_ssize_t positional = -1;
    std::vector<Py_ssize_t> slots;  // For each keyword; surplus: -1.
  };

  void read(PyObject* function);
  void ignore(PyObject* function, PyObject* ignored);
  const Site& site(Py_ssize_t positional, PyObject* names);
  Py_ssize_t slot_of(PyObject* name) const;
  [[noreturn]] void refuse(const char* problem, PyObject* name) const;

  static constexpr std::size_t sites_max = 4;

  Object function_name_;
  std::vector<Object> names_;     // Of the slots.
  std::vector<Object> defaults_;  // Of the slots; empty: required.
  std::vector<bool> ignored_;     // Of the slots.
  Py_ssize_t positional_only_ = 0;
  Py_ssize_t positional_ = 0;  // Slots that positional arguments fill; the others are by name only.
  bool surplus_positional_ = false;
  bool surplus_keywords_ = false;
  bool ignores_positional_ = false;
  bool ignores_keywords_ = false;
  bool known_ = false;  // False: the raw spelling is the key.
  bool ignores_ = false;
  Py_ssize_t exact_ = -1;  // As many positional arguments and nothing else: they are the key.
  std::array<Site, sites_max> sites_;
  std::size_t next_site_ = 0;
};

}  // namespace dcache::python
