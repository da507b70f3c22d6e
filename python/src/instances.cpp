// SPDX-License-Identifier: MIT
#include "instances.hpp"

#include <utility>

namespace dcache::python {
namespace {

PyTypeObject instance_type = [] {
  PyTypeObject type{};
  type.ob_base = {PyObject_HEAD_INIT(nullptr) 0};
  type.tp_name = "dcache._engine.Instance";
  type.tp_basicsize = sizeof(Instance);
  type.tp_dealloc = [](PyObject* self) { PyObject_Free(self); };
  type.tp_flags = Py_TPFLAGS_DEFAULT;
  type.tp_doc = "An instance that a cached method was called on.";
  return type;
}();

PyObject* as_object(Instance* instance) noexcept { return reinterpret_cast<PyObject*>(instance); }

}  // namespace

bool Instances::prepare() {
  instance_type.tp_call = died;
  return PyType_Ready(&instance_type) == 0;
}

Instances::~Instances() {
  while (!all_.empty()) {
    Instance* const instance = all_.begin()->second;
    while (instance->keys != nullptr) {  // Held by flights that outlive the table.
      KeyTuple& key = *instance->keys;
      const Object held = Object::shared(as_object(instance));
      unlink(key);
    }
    // The last key has taken it along; without keys there is none.
  }
}

void Instances::link(KeyTuple& key, PyObject* self, std::uint64_t hash) {
  Instance* const instance = instance_of(self);
  key.link() = {instance, nullptr, instance->keys, hash};
  if (instance->keys != nullptr) instance->keys->link().previous = &key;
  instance->keys = &key;
}

void Instances::unlink(KeyTuple& key) noexcept {
  KeyTuple::Link& link = key.link();
  Instance* const instance = std::exchange(link.instance, nullptr);
  if (instance == nullptr) return;
  (link.previous != nullptr ? link.previous->link().next : instance->keys) = link.next;
  if (link.next != nullptr) link.next->link().previous = link.previous;
  if (instance->keys == nullptr && instance->address != nullptr) instance->registry->drop(instance);
}

// With the weak reference a collection may begin, before 3.12, and in it anybody's code, which may
// ask for the same one.
Instance* Instances::instance_of(PyObject* self) {
  if (const auto known = all_.find(self); known != all_.end()) return known->second;
  auto* const instance = PyObject_New(Instance, &instance_type);
  if (instance == nullptr) throw Raised();
  instance->address = self;
  instance->keys = nullptr;
  instance->registry = this;
  instance->reference = PyWeakref_NewRef(self, as_object(instance));
  const bool made = instance->reference != nullptr;
  const auto known = made ? all_.emplace(self, instance).first : all_.end();
  if (known != all_.end() && known->second == instance) return instance;
  instance->address = nullptr;
  Py_CLEAR(instance->reference);
  Py_DECREF(as_object(instance));
  if (!made) throw Raised();
  return known->second;
}

// Without its weak reference nobody calls it any more.
void Instances::drop(Instance* instance) noexcept {
  all_.erase(std::exchange(instance->address, nullptr));
  Py_CLEAR(instance->reference);
  Py_DECREF(as_object(instance));
}

// Each key is unlinked before its entry goes: what dies with the entry may call back into here.
void Instances::bury(Instance* instance) {
  const Object owner = Object::shared(owner_);
  const Object held = Object::shared(as_object(instance));
  for (KeyTuple* key = instance->keys; key != nullptr; key = key->link().next) {
    expect_(reinterpret_cast<PyObject*>(key));
  }
  drop(instance);
  while (instance->keys != nullptr) {
    KeyTuple& key = *instance->keys;
    const Object kept = Object::shared(reinterpret_cast<PyObject*>(&key));
    const std::uint64_t hash = key.link().hash;
    unlink(key);
    forget_(kept.get(), hash);
  }
}

// The callback of the weak reference.
PyObject* Instances::died(PyObject* self, PyObject*, PyObject*) {
  auto* const instance = reinterpret_cast<Instance*>(self);
  if (instance->address != nullptr) instance->registry->bury(instance);
  Py_RETURN_NONE;
}

}  // namespace dcache::python
