// SPDX-License-Identifier: MIT
// The canonical forms of what has a name: classes, functions, members of enums.
#include "dcache/engine/cbor.hpp"
#include "dcache/engine/cbor_tags.hpp"

#include "canonical.hpp"
#include "canonical_atoms.hpp"

namespace dcache::python {
namespace {

namespace cbor = engine::cbor;

// What was asked for is not there. Ctrl-C and the like are no answer.
void forget_error() {
  if (PyErr_Occurred() == nullptr) return;
  if (PyErr_ExceptionMatches(PyExc_Exception) == 0) throw Raised();
  PyErr_Clear();
}

// Text, or none.
Object text_attribute(PyObject* object, const char* name) {
  Object text = Object::owned(PyObject_GetAttrString(object, name));
  if (!text) forget_error();
  return text && PyUnicode_CheckExact(text.get()) != 0 ? text : Object();
}

// What a qualified name leads to, or none.
Object look_up(PyObject* module_name, PyObject* qualname) {
  static PyObject* const dot = PyUnicode_InternFromString(".");
  Object found = Object::owned(PyImport_GetModule(module_name));
  const Object parts = Object::checked(PyUnicode_Split(qualname, dot, -1));
  for (Py_ssize_t i = 0; found && i < PyList_GET_SIZE(parts.get()); ++i) {
    found = Object::owned(PyObject_GetAttr(found.get(), PyList_GET_ITEM(parts.get(), i)));
  }
  if (!found) forget_error();
  return found;
}

// A method of a built-in type is bound to an object, which its name does not tell.
bool is_function(PyObject* object) noexcept {
  if (PyCFunction_CheckExact(object) != 0) {
    PyObject* const self = PyCFunction_GET_SELF(object);
    return self == nullptr || PyModule_Check(self) != 0;
  }
  return PyFunction_Check(object) != 0;
}

// The main program is `__mp_main__` in the processes that it starts.
bool is_main(PyObject* module_name) noexcept {
  return PyUnicode_CompareWithASCIIString(module_name, "__main__") == 0 ||
         PyUnicode_CompareWithASCIIString(module_name, "__mp_main__") == 0;
}

}  // namespace

bool Canonical::append_named(PyObject* object) {
  if (PyType_Check(object) == 0 && !is_function(object)) return false;
  cbor::append_tag(bytes_, cbor::name_tag);
  return append_name_of(object);
}

// "module:qualname", if that leads to the very object.
bool Canonical::append_name_of(PyObject* object) {
  const Object module = text_attribute(object, "__module__");
  const Object qualname = text_attribute(object, "__qualname__");
  if (!module || !qualname) return false;
  if (look_up(module.get(), qualname.get()).get() != object) return false;
  const bool main = is_main(module.get());
  const Object name =
      Object::checked(main ? PyUnicode_FromFormat("__main__:%U", qualname.get())
                           : PyUnicode_FromFormat("%U:%U", module.get(), qualname.get()));
  append_text(name.get(), bytes_);
  names_main_ |= main;
  return true;
}

// By the name of the class and its own, if these lead to it.
bool Canonical::append_member(PyObject* member) {
  static PyObject* const own_name = PyUnicode_InternFromString("_name_");
  auto* const type = reinterpret_cast<PyObject*>(Py_TYPE(member));
  const Object name = Object::owned(PyObject_GenericGetAttr(member, own_name));
  const Object members = Object::owned(PyObject_GetAttrString(type, "_member_map_"));
  if (!name || !members) forget_error();
  if (!name || !members || PyUnicode_CheckExact(name.get()) == 0 ||
      PyDict_Check(members.get()) == 0 ||
      PyDict_GetItemWithError(members.get(), name.get()) != member) {
    return false;
  }
  cbor::append_tag(bytes_, cbor::member_tag);
  append_array_head(2);
  if (!append_name_of(type)) return false;
  append_text(name.get(), bytes_);
  return true;
}

}  // namespace dcache::python
