// SPDX-License-Identifier: MIT
#include "signature.hpp"

#include <algorithm>
#include <string>

#include "canonical.hpp"

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

Signature::Signature(PyObject* function, PyObject* ignored) {
  function_name_ = PyObject_HasAttrString(function, "__qualname__") != 0
                       ? attribute(function, "__qualname__")
                       : Object::checked(PyObject_Str(function));
  if (PyFunction_Check(function) != 0) read(function);
  if (ignored != nullptr) ignore(function, ignored);
  if (known_ && !ignores_ && !surplus_positional_ && positional_ == std::ssize(names_)) {
    exact_ = positional_;
  }
}

void Signature::read(PyObject* function) {
  const Object code = attribute(function, "__code__");
  const Object names = attribute(code.get(), "co_varnames");
  const Object defaults = attribute(function, "__defaults__");
  const Object by_name = attribute(function, "__kwdefaults__");
  const Py_ssize_t flags = number(code.get(), "co_flags");
  positional_ = number(code.get(), "co_argcount");
  positional_only_ = number(code.get(), "co_posonlyargcount");
  surplus_positional_ = (flags & CO_VARARGS) != 0;
  surplus_keywords_ = (flags & CO_VARKEYWORDS) != 0;
  const Py_ssize_t slots = positional_ + number(code.get(), "co_kwonlyargcount");
  const Py_ssize_t optional = defaults.get() == Py_None ? 0 : PyTuple_GET_SIZE(defaults.get());
  for (Py_ssize_t at = 0; at < slots; ++at) {
    names_.push_back(Object::shared(PyTuple_GET_ITEM(names.get(), at)));
    Object value;
    if (at < positional_ && at >= positional_ - optional) {
      value = Object::shared(PyTuple_GET_ITEM(defaults.get(), at - (positional_ - optional)));
    } else if (at >= positional_ && by_name.get() != Py_None) {
      value = Object::shared(PyDict_GetItemWithError(by_name.get(), names_.back().get()));
      if (!value && PyErr_Occurred() != nullptr) throw Raised();
    }
    // A default counts with the value that it has now.
    if (value && keyed_by_content(Py_TYPE(value.get()))) {
      if (Object frozen = canonical_key(value.get())) value = std::move(frozen);
    }
    defaults_.push_back(std::move(value));
  }
  ignored_.assign(names_.size(), false);
  known_ = true;
}

// `*args` and `**kw` are named without the stars; in the code object they come after the slots.
void Signature::ignore(PyObject* function, PyObject* ignored) {
  Object names;
  if (known_) names = attribute(attribute(function, "__code__").get(), "co_varnames");
  const auto is = [&](Py_ssize_t at, PyObject* name) {
    return PyUnicode_Compare(PyTuple_GET_ITEM(names.get(), at), name) == 0;
  };
  const Py_ssize_t slots = std::ssize(names_);
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(ignored); ++i) {
    PyObject* const name = PyTuple_GET_ITEM(ignored, i);
    if (const Py_ssize_t slot = slot_of(name); slot >= 0) {
      ignored_[static_cast<std::size_t>(slot)] = true;
    } else if (surplus_positional_ && is(slots, name)) {
      ignores_positional_ = true;
    } else if (surplus_keywords_ && is(slots + (surplus_positional_ ? 1 : 0), name)) {
      ignores_keywords_ = true;
    } else {
      refuse(" has no parameter %R to ignore", name);
    }
    ignores_ = true;
  }
}

void Signature::bind(PyObject* const* args, Py_ssize_t positional, PyObject* names, Bound& bound) {
  if (exact(positional, names)) {
    bound.begin_ = args;
    bound.count_ = positional;
    return;
  }
  const Py_ssize_t slots = std::ssize(names_);
  const Py_ssize_t keywords = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
  if (known_ && positional > positional_ && !surplus_positional_) {
    PyErr_Format(PyExc_TypeError, "%U() takes %zd positional arguments but %zd were given",
                 function_name_.get(), positional_, positional);
    throw Raised();
  }
  const auto room = static_cast<std::size_t>(slots + positional + 2 * keywords + 1);
  if (room > Bound::in_place) bound.many_.resize(room);
  PyObject** const all = room > Bound::in_place ? bound.many_.data() : bound.few_.data();
  const Py_ssize_t in_slots = known_ ? std::min(positional, positional_) : 0;
  std::copy_n(args, in_slots, all);
  std::fill(all + in_slots, all + slots, nullptr);
  const Site* const where = known_ && keywords > 0 ? &site(positional, names) : nullptr;
  PyObject** end = all + slots;
  if (!ignores_positional_) end = std::copy(args + in_slots, args + positional, end);
  for (Py_ssize_t i = 0; i < keywords; ++i) {
    const Py_ssize_t slot = where == nullptr ? -1 : where->slots[static_cast<std::size_t>(i)];
    if (slot >= 0) all[slot] = args[positional + i];
  }
  if (!ignores_keywords_) {
    bool marked = false;
    for (Py_ssize_t i = 0; i < keywords; ++i) {
      if (where != nullptr && where->slots[static_cast<std::size_t>(i)] >= 0) continue;
      if (!std::exchange(marked, true)) *end++ = keyword_mark();
      *end++ = PyTuple_GET_ITEM(names, i);
      *end++ = args[positional + i];
    }
  }
  for (Py_ssize_t slot = 0; slot < slots; ++slot) {
    const auto at = static_cast<std::size_t>(slot);
    if (all[slot] == nullptr) all[slot] = defaults_[at].get();
    if (all[slot] == nullptr) refuse("() missing a required argument: %R", names_[at].get());
    if (ignored_[at]) all[slot] = Py_None;
  }
  bound.begin_ = all;
  bound.count_ = end - all;
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
