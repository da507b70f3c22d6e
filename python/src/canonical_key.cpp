// SPDX-License-Identifier: MIT
#include "canonical_key.hpp"

#include <cstddef>

#include "dcache/engine/hash.hpp"

namespace dcache::python {
namespace {

void dealloc(PyObject* self) { PyObject_Free(self); }

Py_hash_t hash(PyObject* self) {
  const auto hash = static_cast<Py_hash_t>(as_canonical_key(self).hash);
  return hash == -1 ? -2 : hash;
}

}  // namespace

PyTypeObject canonical_key_type = [] {
  PyTypeObject type{};
  type.ob_base = {PyObject_HEAD_INIT(nullptr) 0};
  type.tp_name = "dcache._engine.CanonicalKey";
  type.tp_basicsize = offsetof(CanonicalKey, bytes);
  type.tp_itemsize = 1;
  type.tp_dealloc = dealloc;
  type.tp_hash = hash;
  type.tp_flags = Py_TPFLAGS_DEFAULT;
  type.tp_doc = "What is in an argument.";
  return type;
}();

Object make_canonical_key(std::string_view bytes, bool names_main) {
  auto* const key =
      PyObject_NewVar(CanonicalKey, &canonical_key_type, static_cast<Py_ssize_t>(bytes.size()));
  if (key == nullptr) throw Raised();
  key->hash = engine::hash_bytes(bytes.data(), bytes.size());
  key->names_main = names_main;
  std::memcpy(key->bytes, bytes.data(), bytes.size());
  return Object::owned(reinterpret_cast<PyObject*>(key));
}

bool prepare_canonical_key() { return PyType_Ready(&canonical_key_type) == 0; }

}  // namespace dcache::python
