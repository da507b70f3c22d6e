// SPDX-License-Identifier: MIT
/// The entries that were hit last, found again by the identity of the arguments.
///
/// Programs pass the same objects again and again: constants, small integers, interned names. Where
/// all arguments are of types that never change, identical arguments are the same call, and neither
/// hash nor `==` is needed to know it. 10 to 15 ns of a hit's 25.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "dcache/engine/hot.hpp"
#include "dcache/engine/roster.hpp"

#include "key.hpp"
#include "object.hpp"

namespace dcache::python {

class Recent {
 public:
  struct Entry {
    PyObject* key = nullptr;  // That of the table, which keeps it and the result alive.
    PyObject* result = nullptr;
    std::uint64_t hash = 0;
    engine::Moment until = 0;  // From then on it is to be looked at more closely.
    engine::Slot slot = 0;
  };

  /// The entry of these arguments, or null.
  DCACHE_HOT const Entry* find(const Arguments& arguments) const noexcept {
    const Entry& entry = entries_[place(arguments)];
    if (arguments.size() == 1 && arguments.weak_at() == Arguments::none) {
      return entry.key == arguments[0] ? &entry : nullptr;
    }
    return entry.key != nullptr && same(entry.key, arguments) ? &entry : nullptr;
  }

  /// Remembers a hit, if its key consists of the very arguments and these never change.
  void note(const Arguments& arguments, const Entry& entry) noexcept {
    if (same(entry.key, arguments) && unchanging(arguments)) entries_[place(arguments)] = entry;
  }

  /// The entry of this key is about to leave the table, or has left.
  void forget(PyObject* key) noexcept {
    Entry* entry = &entries_[place(Arguments(&key, 1))];
    if (is_key_tuple(key)) entry = place_of(as_key_tuple(key));
    if (entry != nullptr && entry->key == key) *entry = {};
  }
  void forget_all() noexcept { entries_ = {}; }

 private:
  static constexpr std::size_t size = 16;

  static bool unchanging(const Arguments& arguments) noexcept;
  // Null: its instance is gone, so that nobody can ask for it, and it was forgotten before.
  Entry* place_of(KeyTuple& key) noexcept;
  DCACHE_HOT static std::size_t place(const Arguments& arguments) noexcept {
    std::uintptr_t mixed = 0;
    for (Py_ssize_t i = 0; i < arguments.size(); ++i) mixed = mix(mixed, arguments[i]);
    return at(mixed);
  }
  static std::uintptr_t mix(std::uintptr_t mixed, PyObject* argument) noexcept {
    return mixed * 3 + (reinterpret_cast<std::uintptr_t>(argument) >> 4U);
  }
  static std::size_t at(std::uintptr_t mixed) noexcept { return (mixed ^ mixed >> 4U) % size; }
  DCACHE_HOT static bool same(PyObject* key, const Arguments& arguments) noexcept {
    if (!is_key_tuple(key)) {
      return arguments.size() == 1 && arguments.weak_at() == Arguments::none && key == arguments[0];
    }
    KeyTuple& tuple = as_key_tuple(key);
    if (tuple.size() != arguments.size()) return false;
    for (Py_ssize_t i = 0; i < arguments.size(); ++i) {
      const bool weak = i == arguments.weak_at();
      if (tuple.items[i] == arguments[i] && !weak) continue;
      if (!weak || tuple.items[i] != nullptr || !Instances::stands_for(tuple, arguments[i])) {
        return false;
      }
    }
    return true;
  }

  std::array<Entry, size> entries_;
};

}  // namespace dcache::python
