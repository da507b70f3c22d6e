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

#include "dcache/engine/hot.hpp"
#include "dcache/engine/traits.hpp"

#include "object.hpp"

namespace dcache::python {

/// Whether `1`, `1.0` and `True` are three arguments (by content, or by type and `==`) or one.
enum class Typing : std::uint8_t { exact, by_type, loose };

/// What a table holds: the argument if a call has exactly one, else a tuple of them.
struct Key {
  PyObject* object = nullptr;
  std::uint64_t hash = 0;
};

/// The arguments of a call, borrowed.
class Arguments {
 public:
  Arguments(PyObject* const* begin, Py_ssize_t count) noexcept : begin_(begin), count_(count) {}

  PyObject* operator[](Py_ssize_t at) const noexcept { return begin_[at]; }
  Py_ssize_t size() const noexcept { return count_; }

  /// The same as an object to keep. A tuple as the only argument is wrapped, too: a bare tuple
  /// always means several arguments.
  Object keep() const;

 private:
  PyObject* const* begin_;
  Py_ssize_t count_;
};

/// Whether containers have been replaced by their canonical bytes, where they have such.
enum class Contents : std::uint8_t { untouched, replaced };

/// The hash of a call. False: with exact typing, some argument is to be replaced first. Throws
/// `Raised` if an argument has no hash, or its hash raises.
bool hash_call(const Arguments& arguments, Typing typing, Contents contents, std::uint64_t& hash);

/// A look-up: the arguments, and what is known of keys that only their own `==` can compare.
class Question {
 public:
  DCACHE_HOT Question(Arguments arguments, std::uint64_t hash, Typing typing) noexcept
      : arguments_(arguments), hash_(hash), typing_(typing) {}

  const Arguments& arguments() const noexcept { return arguments_; }
  std::uint64_t hash() const noexcept { return hash_; }

  /// Whether that key is the one meant, as far as it can be told without running Python. Notes a
  /// key that is still in doubt.
  bool means(const Key& key) const noexcept;

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

  Same compare(PyObject* key) const noexcept;
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
  bool operator()(const Key& key, const Key& other) const noexcept {
    return key.object == other.object;
  }
  bool operator()(const Key& key, const Question& question) const noexcept {
    return key.hash == question.hash() && question.means(key);
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
