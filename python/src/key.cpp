// SPDX-License-Identifier: MIT
#include "key.hpp"

#include <bit>
#include <cstring>

#include "dcache/engine/hash.hpp"

#include "canonical.hpp"

namespace dcache::python {
namespace {

#if PY_VERSION_HEX >= 0x030C0000
bool is_small(PyObject* number) noexcept {
  return PyUnstable_Long_IsCompact(reinterpret_cast<PyLongObject*>(number)) != 0;
}
std::uint64_t small_value(PyObject* number) noexcept {
  return static_cast<std::uint64_t>(
      PyUnstable_Long_CompactValue(reinterpret_cast<PyLongObject*>(number)));
}
#else
bool is_small(PyObject* number) noexcept {
  const Py_ssize_t digits = Py_SIZE(number);
  return digits >= -1 && digits <= 1;
}
std::uint64_t small_value(PyObject* number) noexcept {
  const auto digit =
      static_cast<std::int64_t>(reinterpret_cast<PyLongObject*>(number)->ob_digit[0]);
  return static_cast<std::uint64_t>(digit * Py_SIZE(number));  // A zero has no digit and size 0.
}
#endif

std::uint64_t bits_of(PyObject* number) noexcept {
  return std::bit_cast<std::uint64_t>(PyFloat_AS_DOUBLE(number));
}

std::uint64_t ask_hash(PyObject* object) {
  const Py_hash_t hash = PyObject_Hash(object);
  if (hash == -1) throw Raised();
  return static_cast<std::uint64_t>(hash);
}

std::uint64_t hash_exactly(PyObject* object) {
  PyTypeObject* const type = Py_TYPE(object);
  std::uint64_t hash = 0;
  if (type == &PyLong_Type && is_small(object)) {
    hash = small_value(object);
  } else if (type == &PyFloat_Type) {
    hash = bits_of(object);
  } else {
    hash = ask_hash(object);
  }
  return hash + (reinterpret_cast<std::uintptr_t>(type) << 20U);
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
  const bool small = is_small(a);
  if (small != is_small(b)) return false;
  if (small) return small_value(a) == small_value(b);
  return PyObject_RichCompareBool(a, b, Py_EQ) == 1;
}

}  // namespace

Object Arguments::keep() const {
  if (count_ == 1 && !PyTuple_CheckExact(begin_[0])) return Object::shared(begin_[0]);
  Object tuple = Object::checked(PyTuple_New(count_));
  for (Py_ssize_t i = 0; i < count_; ++i) {
    Py_INCREF(begin_[i]);
    PyTuple_SET_ITEM(tuple.get(), i, begin_[i]);
  }
  return tuple;
}

bool hash_call(const Arguments& arguments, Typing typing, Contents contents, std::uint64_t& hash) {
  hash = static_cast<std::uint64_t>(arguments.size());
  for (Py_ssize_t i = 0; i < arguments.size(); ++i) {
    PyObject* const argument = arguments[i];
    // Equal numbers of different types have equal hashes, which loose typing needs; and so have 0.0
    // and -0.0, which are equal except by content.
    if (typing != Typing::exact) {
      hash = engine::hash_combine(hash, ask_hash(argument));
    } else if (contents == Contents::untouched && keyed_by_content(Py_TYPE(argument)))
        [[unlikely]] {
      return false;
    } else {
      hash = engine::hash_combine(hash, hash_exactly(argument));
    }
  }
  return true;
}

bool Question::means(const Key& key) const noexcept {
  const Same same = compare(key.object);
  if (same != Same::doubtful) return same == Same::yes;
  if (settled_) {
    for (const auto& [settled, means] : *settled_) {
      if (settled.get() == key.object) return means;
    }
  }
  doubtful_ = Object::shared(key.object);
  return false;
}

Question::Same Question::compare(PyObject* key) const noexcept {
  if (arguments_.size() == 1 && !PyTuple_CheckExact(key)) {
    return compare(key, arguments_[0], typing_);
  }
  if (!PyTuple_CheckExact(key) || PyTuple_GET_SIZE(key) != arguments_.size()) return Same::no;
  auto all = Same::yes;
  for (Py_ssize_t i = 0; i < arguments_.size(); ++i) {
    const Same one = compare(PyTuple_GET_ITEM(key, i), arguments_[i], typing_);
    if (one == Same::no) return Same::no;
    if (one == Same::doubtful) all = Same::doubtful;
  }
  return all;
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
  if (type == &PyBytes_Type || is_canonical_key(type)) return same(same_bytes(ours, theirs));
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
  const bool single = arguments_.size() == 1 && !PyTuple_CheckExact(key);
  for (Py_ssize_t i = 0; i < arguments_.size(); ++i) {
    PyObject* const ours = single ? key : PyTuple_GET_ITEM(key, i);
    const Same known = compare(ours, arguments_[i], typing_);
    if (known == Same::no) return false;
    if (known == Same::yes) continue;
    const int equal = PyObject_RichCompareBool(ours, arguments_[i], Py_EQ);
    if (equal < 0) throw Raised();
    if (equal == 0) return false;
  }
  return true;
}

}  // namespace dcache::python
