// SPDX-License-Identifier: MIT
/// One call as a near key: the bound arguments themselves, each hashed once.
///
/// Under the interpreter's lock nothing changes between two steps of ours that run no Python. Keys
/// and values are therefore plain pointers, read without a pin. No Python runs inside the table
/// either: where two objects can only be told apart by their own `==`, the table is told "not the
/// same", the pair is noted, and `Question::answer` asks them once the table is out of the way.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "dcache/engine/hash.hpp"
#include "dcache/engine/hot.hpp"
#include "dcache/engine/traits.hpp"

#include "instances.hpp"
#include "key_tuple.hpp"
#include "object.hpp"

namespace dcache::python {

/// Whether `1`, `1.0` and `True` are three arguments (by content, or by type and `==`) or one.
enum class Typing : std::uint8_t { exact, by_type, loose };

/// What a table holds: the argument if a call has exactly one, else a `KeyTuple` of them.
struct Key {
  PyObject* object = nullptr;
  std::uint64_t hash = 0;
};

namespace key_detail {

#if PY_VERSION_HEX >= 0x030C0000
inline bool is_small(PyObject* number) noexcept {
  return PyUnstable_Long_IsCompact(reinterpret_cast<PyLongObject*>(number)) != 0;
}
inline std::uint64_t small_value(PyObject* number) noexcept {
  return static_cast<std::uint64_t>(
      PyUnstable_Long_CompactValue(reinterpret_cast<PyLongObject*>(number)));
}
#else
inline bool is_small(PyObject* number) noexcept {
  const Py_ssize_t digits = Py_SIZE(number);
  return digits >= -1 && digits <= 1;
}
inline std::uint64_t small_value(PyObject* number) noexcept {
  const auto digit =
      static_cast<std::int64_t>(reinterpret_cast<PyLongObject*>(number)->ob_digit[0]);
  return static_cast<std::uint64_t>(digit * Py_SIZE(number));  // A zero has no digit and size 0.
}
#endif

inline bool is_small_int(PyObject* object) noexcept {
  return Py_TYPE(object) == &PyLong_Type && is_small(object);
}

/// Equal hashes of objects of different types are different hashes.
inline std::uint64_t hash_typed(std::uint64_t seed, std::uint64_t hash, PyObject* object) noexcept {
  const auto type = reinterpret_cast<std::uintptr_t>(Py_TYPE(object)) << 20U;
  return engine::hash_combine(seed, hash + type);
}

}  // namespace key_detail

/// The arguments of a call, borrowed.
class Arguments {
 public:
  static constexpr Py_ssize_t none = -1;

  /// `weak_at`: the argument that counts by identity and is not to be kept alive, or `none`.
  Arguments(PyObject* const* begin, Py_ssize_t count, Py_ssize_t weak_at = none) noexcept
      : begin_(begin), count_(count), weak_at_(weak_at) {}

  PyObject* operator[](Py_ssize_t at) const noexcept { return begin_[at]; }
  Py_ssize_t size() const noexcept { return count_; }
  Py_ssize_t weak_at() const noexcept { return weak_at_; }

  /// The same as an object to keep. `instances`: of the function.
  Object keep(std::uint64_t hash, Instances& instances) const {
    if (count_ == 1 && weak_at_ == none) return Object::shared(begin_[0]);
    return keep_all(hash, instances);
  }

 private:
  Object keep_all(std::uint64_t hash, Instances& instances) const;

  PyObject* const* begin_;
  Py_ssize_t count_;
  Py_ssize_t weak_at_;
};

/// Which arguments have been replaced by their canonical bytes, where they have such: none;
/// containers; also those whose hash refuses, such as a named tuple that holds a list.
enum class Contents : std::uint8_t { untouched, replaced, exhausted };

/// Whether its hash is a TypeError. Throws `Raised` for any other.
bool refuses_hash(PyObject* argument);

/// The hash of one argument, combined with what was before it. False: with exact typing, it is to
/// be replaced first. Throws `Raised` if it has no hash, or its hash raises.
bool hash_slowly(PyObject* argument, Typing typing, Contents contents, std::uint64_t& hash);

/// The hash of a call. False and errors: as above.
DCACHE_HOT inline bool hash_call(const Arguments& arguments, Typing typing, Contents contents,
                                 std::uint64_t& hash) {
  // Not in `hash`, which has an address and would be in memory all the while.
  auto mixed = static_cast<std::uint64_t>(arguments.size());
  for (Py_ssize_t i = 0; i < arguments.size(); ++i) {
    PyObject* const argument = arguments[i];
    if (i == arguments.weak_at()) {
      mixed = engine::hash_combine(mixed, reinterpret_cast<std::uintptr_t>(argument) >> 4U);
    } else if (typing == Typing::exact && key_detail::is_small_int(argument)) {
      mixed = key_detail::hash_typed(mixed, key_detail::small_value(argument), argument);
    } else {
      hash = mixed;
      if (!hash_slowly(argument, typing, contents, hash)) return false;
      mixed = hash;
    }
  }
  hash = mixed;
  return true;
}

/// A look-up: the arguments, and what is known of keys that only their own `==` can compare.
class Question {
 public:
  DCACHE_HOT Question(Arguments arguments, std::uint64_t hash, Typing typing) noexcept
      : arguments_(arguments), hash_(hash), typing_(typing) {}

  const Arguments& arguments() const noexcept { return arguments_; }
  std::uint64_t hash() const noexcept { return hash_; }

  /// Whether that key is the one meant, as far as it can be told without running Python. Notes a
  /// key that is still in doubt. By value: what has an address is in memory, where a hit loses 10
  /// ns.
  DCACHE_HOT bool means(PyObject* key) const noexcept {
    const bool single = arguments_.size() == 1 && arguments_.weak_at() == Arguments::none;
    return (single && key == arguments_[0]) || means_slowly(key);
  }

  /// True: some `==` has run since this was made.
  bool asked() const noexcept { return settled_ != nullptr; }

  /// True: there was a key in doubt, and it has been asked: look again.
  bool answer() const {
    if (!doubtful_) return false;
    settle();
    return true;
  }

 private:
  enum class Same : std::uint8_t { no, yes, doubtful };

  bool means_slowly(PyObject* key) const noexcept;
  Same compare(PyObject* key) const noexcept;
  Same compare(KeyTuple& key, Py_ssize_t at) const noexcept;
  static Same compare(PyObject* ours, PyObject* theirs, Typing typing) noexcept;
  void settle() const;
  bool ask(PyObject* key) const;

  Arguments arguments_;
  std::uint64_t hash_;
  Typing typing_;
  mutable Object doubtful_;
  // Held, so that no other takes its place. Hardly ever there at all.
  mutable std::unique_ptr<std::vector<std::pair<Object, bool>>> settled_;
};

/// Hash and equality of the table. Between two keys of the table there is no doubt: they are the
/// same object, or they differ.
struct KeyHash {
  std::uint64_t operator()(const Key& key) const noexcept { return key.hash; }
  std::uint64_t operator()(const Question& question) const noexcept { return question.hash(); }
};
struct KeyEqual {
  DCACHE_HOT bool operator()(const Key& key, const Key& other) const noexcept {
    return key.object == other.object;
  }
  DCACHE_HOT bool operator()(const Key& key, const Question& question) const noexcept {
    return key.hash == question.hash() && question.means(key.object);
  }
};

}  // namespace dcache::python

namespace dcache::engine {

// Comparing and hashing them runs no Python.
template <>
struct traits_detail::QuietContent<python::Key> : std::true_type {};
template <>
inline constexpr bool quiet_equal<python::Key, python::KeyEqual> = true;
template <>
inline constexpr bool quiet_hash<python::Key, python::KeyHash> = true;

}  // namespace dcache::engine
