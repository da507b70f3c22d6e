// SPDX-License-Identifier: MIT
/// The instances that the keys of a method stand for: told apart by identity, held weakly. When one
/// dies, its entries die with it.
///
/// Everything here REQUIRES the interpreter's lock.
#pragma once

#include <functional>
#include <unordered_map>
#include <utility>

#include "key_tuple.hpp"
#include "object.hpp"

namespace dcache::python {

class Instances;

/// One of them: also the callback of the weak reference to it, so the two hold each other until the
/// last key is gone or the instance is.
struct Instance {
  PyObject_HEAD PyObject* address;  // Null: dead.
  PyObject* reference;              // Owned.
  KeyTuple* keys;                   // Linked, not owned.
  Instances* registry;
};

class Instances {
 public:
  /// Takes the entry of a key out of the table.
  using Forget = std::function<void(PyObject* key, std::uint64_t hash)>;
  /// Told before, while the key still stands for its instance.
  using Expect = std::function<void(PyObject* key)>;

  Instances(PyObject* owner, Expect expect, Forget forget)
      : owner_(owner), expect_(std::move(expect)), forget_(std::move(forget)) {}
  Instances(const Instances&) = delete;
  Instances& operator=(const Instances&) = delete;
  ~Instances();

  /// Whether objects of this type can be held weakly.
  static bool weakly(PyTypeObject* type) noexcept { return type->tp_weaklistoffset != 0; }

  /// Makes `key`, whose item stands for `self`, one of the keys of it. Throws `Raised`.
  void link(KeyTuple& key, PyObject* self, std::uint64_t hash);
  static void unlink(KeyTuple& key) noexcept;

  /// Whether the item of `key` that is null stands for `self`.
  static bool stands_for(KeyTuple& key, PyObject* self) noexcept {
    const Instance* const instance = key.link().instance;
    return instance != nullptr && instance->address == self;
  }

  std::size_t size() const noexcept { return all_.size(); }

  /// The owner is being destroyed: nobody needs to keep it alive while entries are forgotten.
  void disown() noexcept { owner_ = nullptr; }

  /// Makes the type. False: a Python error is set.
  static bool prepare();

 private:
  static PyObject* died(PyObject* instance, PyObject* args, PyObject* kwargs);
  Instance* instance_of(PyObject* self);
  void drop(Instance* instance) noexcept;
  void bury(Instance* instance);

  std::unordered_map<PyObject*, Instance*> all_;  // By address; each owned.
  PyObject* owner_;                               // Of this; borrowed.
  Expect expect_;
  Forget forget_;
};

}  // namespace dcache::python
