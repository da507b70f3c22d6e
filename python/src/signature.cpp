// SPDX-License-Identifier: MIT
#include "signature.hpp"

#include <algorithm>
#include <string>

#include "canonical.hpp"
#include "errors.hpp"

namespace dcache::python {
namespace {

Object attribute(PyObject* object, const char* name) {
  return Object::checked(PyObject_GetAttrString(object, name));
}

Py_ssize_t number(PyObject* object, const char* name) {
  const Py_ssize_t value = PyLong_AsSsize_t(attribute(object, name).get());
  if (value == -1 && PyErr_Occurred() != nullptr) throw Raised();
  return value;
}

// Stands before the surplus keywords of a call: no argument is this object.
PyObject* keyword_mark() {
  static PyObject* const mark =
      PyObject_CallNoArgs(reinterpret_cast<PyObject*>(&PyBaseObject_Type));
  if (mark == nullptr) throw Raised();
  return mark;
}

}  // namespace

Signature::Signature(PyObject* function, bool raw, PyObject* ignored, Object prefix)
    : prefix_(std::move(prefix)) {
  function_name_ = PyObject_HasAttrString(function, "__qualname__") != 0
                       ? attribute(function, "__qualname__")
                       : Object::checked(PyObject_Str(function));
  if (!raw) read(function);
  if (ignored != nullptr) ignore(ignored);
  unprefixed_raw_ = !known_ && !prefix_;
  if (known_ && !prefix_ && !ignores_ && !surplus_positional_ &&
      positional_ == std::ssize(names_)) {
    exact_ = positional_;
  }
}

void Signature::read(PyObject* function) {
  if (PyFunction_Check(function) == 0) {
    const Object shapes = Object::checked(PyImport_ImportModule("dcache._shape"));
    const Object shape = Object::checked(PyObject_CallMethod(shapes.get(), "shape", "O", function));
    if (shape.get() != Py_None) read_shape(shape.get());
    return;
  }
  const Object code = attribute(function, "__code__");
  const Object names = attribute(code.get(), "co_varnames");
  const Object defaults = attribute(function, "__defaults__");
  const Object by_name = attribute(function, "__kwdefaults__");
  const Py_ssize_t flags = number(code.get(), "co_flags");
  const auto name = [&](Py_ssize_t at) { return PyTuple_GET_ITEM(names.get(), at); };
  positional_ = number(code.get(), "co_argcount");
  positional_only_ = number(code.get(), "co_posonlyargcount");
  const Py_ssize_t slots = positional_ + number(code.get(), "co_kwonlyargcount");
  const Py_ssize_t optional = defaults.get() == Py_None ? 0 : PyTuple_GET_SIZE(defaults.get());
  for (Py_ssize_t at = 0; at < slots; ++at) {
    Object value;
    if (at < positional_ && at >= positional_ - optional) {
      value = Object::shared(PyTuple_GET_ITEM(defaults.get(), at - (positional_ - optional)));
    } else if (at >= positional_ && by_name.get() != Py_None) {
      value = Object::shared(PyDict_GetItemWithError(by_name.get(), name(at)));
      if (!value && PyErr_Occurred() != nullptr) throw Raised();
    }
    add(name(at), std::move(value));
  }
  // In the code object `*args` and `**kw` come after the slots.
  Py_ssize_t next = slots;
  if ((flags & CO_VARARGS) != 0) surplus_positional_ = Object::shared(name(next++));
  if ((flags & CO_VARKEYWORDS) != 0) surplus_keywords_ = Object::shared(name(next));
  known_ = true;
}

// As `_shape.py` makes it: (positional only, positional, names, defaults by name, *, **).
void Signature::read_shape(PyObject* shape) {
  PyObject *names = nullptr, *defaults = nullptr, *positional = nullptr, *keywords = nullptr;
  if (PyArg_ParseTuple(shape, "nnOOOO", &positional_only_, &positional_, &names, &defaults,
                       &positional, &keywords) == 0) {
    throw Raised();
  }
  for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(names); ++at) {
    PyObject* const name = PyTuple_GET_ITEM(names, at);
    Object value = Object::shared(PyDict_GetItemWithError(defaults, name));
    if (!value && PyErr_Occurred() != nullptr) throw Raised();
    add(name, std::move(value));
  }
  if (positional != Py_None) surplus_positional_ = Object::shared(positional);
  if (keywords != Py_None) surplus_keywords_ = Object::shared(keywords);
  known_ = true;
}

// A default counts with the value that it has now.
void Signature::add(PyObject* name, Object value) {
  names_.push_back(Object::shared(name));
  Object counted = value;
  if (value && keyed_by_content(Py_TYPE(value.get()))) {
    if (Object frozen = canonical_key(value.get())) counted = std::move(frozen);
  }
  defaults_.push_back(std::move(value));
  counted_.push_back(std::move(counted));
  ignored_.push_back(false);
}

// `*args` and `**kw` are named without the stars.
void Signature::ignore(PyObject* ignored) {
  const auto is = [](const Object& surplus, PyObject* name) {
    return surplus && PyUnicode_Check(name) != 0 && PyUnicode_Compare(surplus.get(), name) == 0;
  };
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(ignored); ++i) {
    PyObject* const name = PyTuple_GET_ITEM(ignored, i);
    if (const Py_ssize_t slot = slot_of(name); slot >= 0) {
      ignored_[static_cast<std::size_t>(slot)] = true;
    } else if (is(surplus_positional_, name)) {
      ignores_positional_ = true;
    } else if (is(surplus_keywords_, name)) {
      ignores_keywords_ = true;
    } else {
      const Object known = Object::checked(PyList_New(0));
      for (const Object& parameter : names_) PyList_Append(known.get(), parameter.get());
      PyErr_Format(errors.config, "dcache: %U() has no parameter %R to ignore; it has %R",
                   function_name_.get(), name, known.get());
      throw Raised();
    }
    ignores_ = true;
  }
}

int Signature::traverse(visitproc visit, void* arg) const {
  for (const Object& value : defaults_) Py_VISIT(value.get());
  return 0;
}

void Signature::bind_to_slots(PyObject* const* args, Py_ssize_t positional, PyObject* names,
                              Bound& bound) {
  check_count(positional);
  const Py_ssize_t keywords = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
  const auto room =
      static_cast<std::size_t>(prefixed() + std::ssize(names_) + positional + 2 * keywords + 1);
  if (room > Bound::in_place) bound.many_.resize(room);
  PyObject** const all = room > Bound::in_place ? bound.many_.data() : bound.few_.data();
  if (prefix_) all[0] = prefix_.get();
  PyObject** const end = place(args, positional, names, all + prefixed());
  fill(all + prefixed());
  const bool first_counts = known_ ? positional_ > 0 && !ignored_[0] : positional > 0;
  bound.self_ = first_counts ? prefixed() : -1;
  bound.begin_ = all;
  bound.count_ = end - all;
}

void Signature::check_count(Py_ssize_t positional) const {
  if (!known_ || positional <= positional_ || surplus_positional_) return;
  PyErr_Format(PyExc_TypeError, "%U() takes %zd positional argument%s but %zd %s given",
               function_name_.get(), positional_, positional_ == 1 ? "" : "s", positional,
               positional == 1 ? "was" : "were");
  throw Raised();
}

// Into the slots, which stay null where nothing was passed, and behind them the surplus. Returns
// the end.
PyObject** Signature::place(PyObject* const* args, Py_ssize_t positional, PyObject* names,
                            PyObject** all) {
  const Py_ssize_t slots = std::ssize(names_);
  const Py_ssize_t keywords = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
  const Py_ssize_t in_slots = known_ ? std::min(positional, positional_) : 0;
  std::copy_n(args, in_slots, all);
  std::fill(all + in_slots, all + slots, nullptr);
  const Site* const where = known_ && keywords > 0 ? &site(positional, names) : nullptr;
  PyObject** end = all + slots;
  if (!ignores_positional_) end = std::copy(args + in_slots, args + positional, end);
  bool marked = false;
  for (Py_ssize_t i = 0; i < keywords; ++i) {
    const Py_ssize_t slot = where == nullptr ? -1 : where->slots[static_cast<std::size_t>(i)];
    if (slot >= 0) {
      all[slot] = args[positional + i];
    } else if (!ignores_keywords_) {
      if (!std::exchange(marked, true)) *end++ = keyword_mark();
      *end++ = PyTuple_GET_ITEM(names, i);
      *end++ = args[positional + i];
    }
  }
  return end;
}

// Defaults where nothing was passed, and None where nothing counts.
void Signature::fill(PyObject** slots) const {
  for (std::size_t at = 0; at < names_.size(); ++at) {
    if (slots[at] == nullptr) slots[at] = counted_[at].get();
    if (slots[at] == nullptr) refuse("() missing a required argument: %R", names_[at].get());
    if (ignored_[at]) slots[at] = Py_None;
  }
}

Object Signature::spell(const Bound& bound, std::vector<PyObject*>& args) const {
  const auto slots = known_ ? std::ssize(names_) : Py_ssize_t{0};
  PyObject* const* const begin = bound.begin_ + prefixed();
  PyObject* const* const end = bound.begin_ + bound.count_;
  PyObject* const* const mark = std::find(begin + slots, end, keyword_mark());
  for (Py_ssize_t at = 0; at < std::min(slots, positional_); ++at) {
    args.push_back(value_of(begin[at], at));
  }
  args.insert(args.end(), begin + slots, mark);
  std::vector<PyObject*> names;
  for (Py_ssize_t at = positional_; at < slots; ++at) {
    names.push_back(names_[static_cast<std::size_t>(at)].get());
    args.push_back(value_of(begin[at], at));
  }
  for (PyObject* const* at = mark; at != end && at + 1 != end; at += 2) {
    names.push_back(at[1]);
    args.push_back(at[2]);
  }
  if (names.empty()) return Object();
  Object tuple = Object::checked(PyTuple_New(std::ssize(names)));
  for (std::size_t i = 0; i < names.size(); ++i) {
    Py_INCREF(names[i]);
    PyTuple_SET_ITEM(tuple.get(), static_cast<Py_ssize_t>(i), names[i]);
  }
  return tuple;
}

Py_ssize_t Signature::keywords_at(const Arguments& arguments) const {
  Py_ssize_t at = prefixed();
  while (at < arguments.size() && arguments[at] != keyword_mark()) ++at;
  return at;
}

PyObject* Signature::value_of(PyObject* counted, Py_ssize_t slot) const noexcept {
  const auto at = static_cast<std::size_t>(slot);
  return counted == counted_[at].get() ? defaults_[at].get() : counted;
}

// The names of a call site are one tuple each time: it is told by its address.
const Signature::Site& Signature::site(Py_ssize_t positional, PyObject* names) {
  for (const Site& site : sites_) {
    if (site.names.get() == names && site.positional == positional) return site;
  }
  Site site{Object::shared(names), positional, {}};
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); ++i) {
    PyObject* const name = PyTuple_GET_ITEM(names, i);
    Py_ssize_t slot = slot_of(name);
    if (slot >= 0 && slot < positional_only_) slot = -1;  // As a keyword it is a surplus one.
    if (slot < 0 && !surplus_keywords_) refuse("() got an unexpected keyword argument %R", name);
    if (slot >= 0 && slot < std::min(positional, positional_)) {
      refuse("() got multiple values for argument %R", name);
    }
    site.slots.push_back(slot);
  }
  Site& kept = sites_[next_site_++ % sites_max];
  kept = std::move(site);
  return kept;
}

Py_ssize_t Signature::slot_of(PyObject* name) const {
  if (PyUnicode_Check(name) == 0) return -1;
  for (std::size_t at = 0; at < names_.size(); ++at) {
    if (names_[at].get() == name || PyUnicode_Compare(names_[at].get(), name) == 0) {
      return static_cast<Py_ssize_t>(at);
    }
  }
  return -1;
}

void Signature::refuse(const char* problem, PyObject* name) const {
  const std::string format = std::string("%U") + problem;
  PyErr_Format(PyExc_TypeError, format.c_str(), function_name_.get(), name);
  throw Raised();
}

}  // namespace dcache::python
