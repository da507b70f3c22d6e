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
  /// `self`: the first parameter counts by identity and weakly, where its type allows that.
  Arguments arguments(bool self) const noexcept {
    const bool weak = self && self_ >= 0 && Instances::weakly(Py_TYPE(begin_[self_]));
    return {begin_, count_, weak ? self_ : Arguments::none};
  }

 private:
  friend class Signature;
  static constexpr std::size_t in_place = 12;

  PyObject* const* begin_ = nullptr;
  Py_ssize_t count_ = 0;
  Py_ssize_t self_ = -1;  // Where the first parameter is; -1: it does not count, or is none.
  std::array<PyObject*, in_place> few_;
  std::vector<PyObject*> many_;
};

/// What a function takes. Immutable once made, but for what it remembers of call sites; guarded by
/// the interpreter's lock.
class Signature {
 public:
  /// `raw`: the spelling of a call is the key. Else parameter i goes to slot i of `Bound`, after
  /// the slots the surplus positional arguments, then a mark with name and value of each surplus
  /// keyword; where `function` has no signature, its calls are as with `raw`. `prefix` (or none)
  /// comes before everything: it tells functions apart that share a table. Throws `Raised` if
  /// `ignored` (a tuple of names, or null) names no parameter.
  Signature(PyObject* function, bool raw, PyObject* ignored, Object prefix);

  /// Throws `Raised`: TypeError, worded as the interpreter words it, if the arguments do not fit.
  void bind(PyObject* const* args, Py_ssize_t positional, PyObject* names, Bound& bound) {
    if (!exact(positional, names)) return bind_to_slots(args, positional, names, bound);
    bound.self_ = positional > 0 ? 0 : -1;
    bound.begin_ = args;
    bound.count_ = positional;
  }

  /// True: the arguments of such a call are bound as they are.
  bool exact(Py_ssize_t positional, PyObject* names) const noexcept {
    return names == nullptr && (positional == exact_ || unprefixed_raw_);
  }

  /// The bound arguments as a call: what is passed by position, then a tuple of names (or none) for
  /// the rest. Throws `Raised`.
  Object spell(const Bound& bound, std::vector<PyObject*>& args) const;

  /// The name of the parameter that argument `at` of `Bound` belongs to; null: it has none.
  PyObject* name_of(Py_ssize_t at) const noexcept {
    at -= prefixed();
    return at >= 0 && at < std::ssize(names_) ? names_[static_cast<std::size_t>(at)].get()
                                              : nullptr;
  }
  /// True: argument `at` of `Bound` is the default of its parameter.
  bool is_default(PyObject* argument, Py_ssize_t at) const noexcept {
    at -= prefixed();
    return at >= 0 && at < std::ssize(names_) &&
           argument == counted_[static_cast<std::size_t>(at)].get();
  }
  /// Where the surplus keywords of a call begin, or its end.
  Py_ssize_t keywords_at(const Arguments& arguments) const;
  /// Arguments of `Bound` before the first of a parameter.
  Py_ssize_t prefixed() const noexcept { return prefix_ ? 1 : 0; }

  int traverse(visitproc visit, void* arg) const;

 private:
  // Where the arguments of a call with such keywords go.
  struct Site {
    Object names;
    Py_ssize_t positional = -1;
    std::vector<Py_ssize_t> slots;  // For each keyword; surplus: -1.
  };

  void read(PyObject* function);
  void read_shape(PyObject* shape);
  void add(PyObject* name, Object value);
  void ignore(PyObject* ignored);
  void bind_to_slots(PyObject* const* args, Py_ssize_t positional, PyObject* names, Bound& bound);
  void check_count(Py_ssize_t positional) const;
  PyObject** place(PyObject* const* args, Py_ssize_t positional, PyObject* names, PyObject** all);
  void fill(PyObject** slots) const;
  PyObject* value_of(PyObject* counted, Py_ssize_t slot) const noexcept;
  const Site& site(Py_ssize_t positional, PyObject* names);
  Py_ssize_t slot_of(PyObject* name) const;
  [[noreturn]] void refuse(const char* problem, PyObject* name) const;

  static constexpr std::size_t sites_max = 4;

  Object function_name_;
  Object prefix_;
  std::vector<Object> names_;     // Of the slots.
  std::vector<Object> defaults_;  // Of the slots; empty: required.
  std::vector<Object> counted_;   // The same as they count: what is in them when they were read.
  std::vector<bool> ignored_;     // Of the slots.
  Py_ssize_t positional_only_ = 0;
  Py_ssize_t positional_ = 0;  // Slots that positional arguments fill; the others are by name only.
  Object surplus_positional_;  // The name of `*args`; or none.
  Object surplus_keywords_;
  bool ignores_positional_ = false;
  bool ignores_keywords_ = false;
  bool known_ = false;  // False: the raw spelling is the key.
  bool unprefixed_raw_ = false;
  bool ignores_ = false;
  Py_ssize_t exact_ = -1;  // As many positional arguments and nothing else: they are the key.
  std::array<Site, sites_max> sites_;
  std::size_t next_site_ = 0;
};

}  // namespace dcache::python
