// SPDX-License-Identifier: MIT
#include "key_tuple.hpp"

#include <cstddef>

#include "instances.hpp"

namespace dcache::python {
namespace {

constexpr Py_ssize_t link_items = sizeof(KeyTuple::Link) / sizeof(PyObject*);

void dealloc(PyObject* self) {
  KeyTuple& key = as_key_tuple(self);
  for (Py_ssize_t i = 0; i < key.size(); ++i) {
    if (key.items[i] == nullptr) {
      Instances::unlink(key);
    } else {
      Py_DECREF(key.items[i]);
    }
  }
  PyObject_Free(self);
}

}  // namespace

PyTypeObject key_tuple_type = [] {
  PyTypeObject type{};
  type.ob_base = {PyObject_HEAD_INIT(nullptr) 0};
  type.tp_name = "dcache._engine.KeyTuple";
  type.tp_basicsize = offsetof(KeyTuple, items);
  type.tp_itemsize = sizeof(PyObject*);
  type.tp_dealloc = dealloc;
  type.tp_flags = Py_TPFLAGS_DEFAULT;
  type.tp_doc = "The arguments of one call.";
  return type;
}();

Object make_key_tuple(PyObject* const* items, Py_ssize_t count, Py_ssize_t weak_at) {
  const Py_ssize_t room = weak_at < 0 ? count : count + link_items;
  auto* const key = PyObject_NewVar(KeyTuple, &key_tuple_type, room);
  if (key == nullptr) throw Raised();
  key->ob_base.ob_size = count;
  for (Py_ssize_t i = 0; i < count; ++i) {
    key->items[i] = i == weak_at ? nullptr : items[i];
    Py_XINCREF(key->items[i]);
  }
  if (weak_at >= 0) key->link() = {};
  return Object::owned(reinterpret_cast<PyObject*>(key));
}

bool prepare_key_tuple() { return PyType_Ready(&key_tuple_type) == 0; }

}  // namespace dcache::python
