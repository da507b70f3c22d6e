// SPDX-License-Identifier: MIT
// The canonical forms of instances of classes that say what counts of them.
#include "dcache/engine/cbor.hpp"
#include "dcache/engine/cbor_tags.hpp"

#include "byte_buffer.hpp"
#include "canonical.hpp"
#include "canonical_atoms.hpp"
#include "numpy_arrays.hpp"
#include "registered.hpp"

namespace dcache::python {
namespace {

namespace cbor = engine::cbor;

// What the class itself says under this name, not one of its bases: a subclass may have more.
Object own(PyTypeObject* type, const char* name) {
  if ((type->tp_flags & Py_TPFLAGS_HEAPTYPE) == 0) return Object();
  const Object text = Object::checked(PyUnicode_FromString(name));
  PyObject* const found = PyDict_GetItemWithError(type->tp_dict, text.get());
  if (found == nullptr && PyErr_Occurred() != nullptr) throw Raised();
  return Object::shared(found);
}

// Without what only looks like one: class variables, and what is for `__init__` alone.
Object fields_of_dataclass(PyTypeObject* type) {
  static PyObject* const module_name = PyUnicode_InternFromString("dataclasses");
  const Object module = Object::owned(PyImport_GetModule(module_name));
  if (!module) {
    if (PyErr_Occurred() != nullptr) throw Raised();
    return Object();  // It is none of the standard library's.
  }
  return Object::checked(PyObject_CallMethod(module.get(), "fields", "O", type));
}

// Of a model of pydantic which fields were given counts, too: a function sees that.
Object names_of_model(PyObject* fields) {
  Object names = Object::checked(PySequence_List(fields));
  append(names, Object::checked(PyUnicode_FromString("__pydantic_fields_set__")));
  return names;
}

// What it has besides its fields has no form: attributes of its own, and surplus ones.
bool has_fields_alone(PyObject* model) {
  for (const char* const slot : {"__pydantic_extra__", "__pydantic_private__"}) {
    const Object more = Object::checked(PyObject_GetAttrString(model, slot));
    const int any = PyObject_IsTrue(more.get());
    if (any < 0) throw Raised();
    if (any > 0) return false;
  }
  return true;
}

// The names of the fields in order, a sequence of text; or none. A dataclass of pydantic is one.
Object field_names(PyObject* object, PyTypeObject* type) {
  if (PyType_IsSubtype(type, &PyTuple_Type) != 0) return own(type, "_fields");
  const Object model = own(type, "__pydantic_fields__");
  if (model && !own(type, "__dataclass_fields__")) {
    return has_fields_alone(object) ? names_of_model(model.get()) : Object();
  }
  const Object fields =
      own(type, "__dataclass_fields__") ? fields_of_dataclass(type) : own(type, "__attrs_attrs__");
  if (!fields) return Object();
  const Object each = Object::checked(PySequence_List(fields.get()));
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(each.get()); ++i) {
    Object name = Object::checked(PyObject_GetAttrString(PyList_GET_ITEM(each.get(), i), "name"));
    if (PyList_SetItem(each.get(), i, name.release()) != 0) throw Raised();
  }
  return each;
}

}  // namespace

bool Canonical::append_instance(PyObject* object, PyTypeObject* type) {
  ByteBuffer array;
  if (append_numpy(array, object, true)) {
    const Object bytes = array.take();
    bytes_.append(PyBytes_AS_STRING(bytes.get()),
                  static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.get())));
    return true;
  }
  if (PyObject_HasAttrString(reinterpret_cast<PyObject*>(type), "__dcache_key__") != 0) {
    const Object key = Object::checked(PyObject_CallMethod(object, "__dcache_key__", nullptr));
    return append_stand_in(type, key.get());
  }
  if (const Object encode = registered_encode(type)) {
    const Object made = Object::checked(PyObject_CallOneArg(encode.get(), object));
    return append_stand_in(type, made.get());
  }
  const Object names = field_names(object, type);
  return names && append_fields(object, type, names.get());
}

bool Canonical::append_stand_in(PyTypeObject* type, PyObject* stand_in) {
  cbor::append_tag(bytes_, cbor::converted_tag);
  append_array_head(2);
  return append_name_of(reinterpret_cast<PyObject*>(type)) && append(stand_in);
}

bool Canonical::append_fields(PyObject* object, PyTypeObject* type, PyObject* names) {
  const Object all = Object::checked(PySequence_Tuple(names));
  const Py_ssize_t count = PyTuple_GET_SIZE(all.get());
  cbor::append_tag(bytes_, cbor::instance_tag);
  append_array_head(count + 1);
  append_array_head(count + 1);
  if (!append_name_of(reinterpret_cast<PyObject*>(type))) return false;
  for (Py_ssize_t i = 0; i < count; ++i) {
    if (!append(PyTuple_GET_ITEM(all.get(), i))) return false;
  }
  for (Py_ssize_t i = 0; i < count; ++i) {
    const Object value = Object::owned(PyObject_GetAttr(object, PyTuple_GET_ITEM(all.get(), i)));
    if (!value) {
      if (PyErr_ExceptionMatches(PyExc_AttributeError) == 0) throw Raised();
      PyErr_Clear();
      return false;  // A field that was deleted.
    }
    if (!append(value.get())) return false;
  }
  return true;
}

}  // namespace dcache::python
