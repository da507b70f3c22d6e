// SPDX-License-Identifier: MIT
#include "key.hpp"

#include <bit>
#include <cstring>
#include <limits>

#include "dcache/engine/hash.hpp"

#include "canonical.hpp"

namespace dcache::python {
namespace {

// There is one NaN.
std::uint64_t bits_of(PyObject* number) noexcept {
  const double value = PyFloat_AS_DOUBLE(number);
  return std::bit_cast<std::uint64_t>(value != value ? std::numeric_limits<double>::quiet_NaN()
                                                     : value);
}

std::uint64_t ask_hash(PyObject* object) {
  const Py_hash_t hash = PyObject_Hash(object);
  if (hash == -1) throw Raised();
  return static_cast<std::uint64_t>(hash);
}

bool same_text(PyObject* a, PyObject* b) noexcept {
  const Py_ssize_t length = PyUnicode_GET_LENGTH(a);
  if (length != PyUnicode_GET_LENGTH(b) || PyUnicode_KIND(a) != PyUnicode_KIND(b)) return false;
  const auto bytes = static_cast<std::size_t>(length) * PyUnicode_KIND(a);
  return std::memcmp(PyUnicode_DATA(a), PyUnicode_DATA(b), bytes) == 0;
}

bool same_bytes(PyObject* a, PyObject* b) noexcept {
  const Py_ssize_t size = PyBytes_GET_SIZE(a);
  return size == PyBytes_GET_SIZE(b) && std::memcmp(PyBytes_AS_STRING(a), PyBytes_AS_STRING(b),
                                                    static_cast<std::size_t>(size)) == 0;
}

// Exact integers compare without running anybody's code, and without an error.
bool same_number(PyObject* a, PyObject* b) noexcept {
  const bool small = key_detail::is_small(a);
  if (small != key_detail::is_small(b)) return false;
  if (small) return key_detail::small_value(a) == key_detail::small_value(b);
  return PyObject_RichCompareBool(a, b, Py_EQ) == 1;
}

}  // namespace

Object Arguments::keep_all(std::uint64_t hash, Instances& instances) const {
  Object key = make_key_tuple(begin_, count_, weak_at_);
  if (weak_at_ != none) instances.link(as_key_tuple(key.get()), begin_[weak_at_], hash);
  return key;
}

bool refuses_hash(PyObject* argument) {
  if (PyObject_Hash(argument) != -1) return false;
  if (PyErr_ExceptionMatches(PyExc_TypeError) == 0) throw Raised();
  PyErr_Clear();
  return true;
}

bool hash_slowly(PyObject* argument, Typing typing, Contents contents, std::uint64_t& hash) {
  // Equal numbers of different types have equal hashes, which loose typing needs; and so have 0.0
  // and -0.0, which are equal except by content.
  if (typing != Typing::exact) {
    hash = engine::hash_combine(hash, ask_hash(argument));
    return true;
  }
  PyTypeObject* const type = Py_TYPE(argument);
  if (type == &PyUnicode_Type) {
    const Py_hash_t known = reinterpret_cast<PyASCIIObject*>(argument)->hash;
    const auto own = known != -1 ? static_cast<std::uint64_t>(known) : ask_hash(argument);
    hash = key_detail::hash_typed(hash, own, argument);
    return true;
  }
  if (contents == Contents::untouched && keyed_by_content(type)) [[unlikely]]
    return false;
  const std::uint64_t own = type == &PyFloat_Type ? bits_of(argument) : ask_hash(argument);
  hash = key_detail::hash_typed(hash, own, argument);
  return true;
}

bool Question::means_slowly(PyObject* key) const noexcept {
  const Same same = compare(key);
  if (same != Same::doubtful) return same == Same::yes;
  if (settled_) {
    for (const auto& [settled, means] : *settled_) {
      if (settled.get() == key) return means;
    }
  }
  doubtful_ = Object::shared(key);
  return false;
}

Question::Same Question::compare(PyObject* key) const noexcept {
  if (!is_key_tuple(key)) {
    if (arguments_.size() != 1 || arguments_.weak_at() != Arguments::none) return Same::no;
    return compare(key, arguments_[0], typing_);
  }
  KeyTuple& tuple = as_key_tuple(key);
  if (tuple.size() != arguments_.size()) return Same::no;
  auto all = Same::yes;
  for (Py_ssize_t i = 0; i < arguments_.size(); ++i) {
    const Same one = compare(tuple, i);
    if (one == Same::no) return Same::no;
    if (one == Same::doubtful) all = Same::doubtful;
  }
  return all;
}

Question::Same Question::compare(KeyTuple& key, Py_ssize_t at) const noexcept {
  PyObject* const ours = key.items[at];
  if (ours != nullptr && at != arguments_.weak_at()) {
    return compare(ours, arguments_[at], typing_);
  }
  const bool both = ours == nullptr && at == arguments_.weak_at();
  return both && Instances::stands_for(key, arguments_[at]) ? Same::yes : Same::no;
}

Question::Same Question::compare(PyObject* ours, PyObject* theirs, Typing typing) noexcept {
  const auto same = [](bool yes) { return yes ? Same::yes : Same::no; };
  if (ours == theirs) return Same::yes;
  PyTypeObject* const type = Py_TYPE(ours);
  if (type != Py_TYPE(theirs)) return typing == Typing::loose ? Same::doubtful : Same::no;
  if (type == &PyUnicode_Type) return same(same_text(ours, theirs));
  if (type == &PyLong_Type) return same(same_number(ours, theirs));
  if (type == &PyFloat_Type) {
    if (typing == Typing::exact) return same(bits_of(ours) == bits_of(theirs));
    return same(PyFloat_AS_DOUBLE(ours) == PyFloat_AS_DOUBLE(theirs));
  }
  if (type == &PyBytes_Type) return same(same_bytes(ours, theirs));
  if (is_canonical_key(ours)) return same(same_canonical(ours, theirs));
  if (type == &PyBool_Type) return Same::no;
  return Same::doubtful;
}

void Question::settle() const {
  Object key = std::exchange(doubtful_, Object());
  const bool means = ask(key.get());
  if (!settled_) settled_ = std::make_unique<std::vector<std::pair<Object, bool>>>();
  settled_->emplace_back(std::move(key), means);
}

// The key stays alive through `key` of `settle`. The stored object is on the left, as in a dict.
bool Question::ask(PyObject* key) const {
  const bool single = !is_key_tuple(key);
  for (Py_ssize_t i = 0; i < arguments_.size(); ++i) {
    const Same known = single ? compare(key) : compare(as_key_tuple(key), i);
    if (known == Same::no) return false;
    if (known == Same::yes) continue;
    PyObject* const ours = single ? key : as_key_tuple(key).items[i];
    const int equal = PyObject_RichCompareBool(ours, arguments_[i], Py_EQ);
    if (equal < 0) throw Raised();
    if (equal == 0) return false;
  }
  return true;
}

}  // namespace dcache::python
