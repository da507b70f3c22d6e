// SPDX-License-Identifier: MIT
#include "value_classes.hpp"

#include <memory>

#include "errors.hpp"
#include "guarded.hpp"
#include "value_reader.hpp"
#include "value_writer.hpp"

namespace dcache::python {

ValueClasses::ValueClasses(PyObject* described) {
  const Object all = Object::checked(
      PySequence_Fast(described, "dcache: expected a sequence of descriptions of classes"));
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(all.get()); ++i) {
    int kind = 0;
    PyObject *type = nullptr, *name = nullptr, *fields = nullptr, *encode = nullptr,
             *decode = nullptr;
    if (PyArg_ParseTuple(PySequence_Fast_GET_ITEM(all.get(), i), "iO!UO!OO", &kind, &PyType_Type,
                         &type, &name, &PyTuple_Type, &fields, &encode, &decode) == 0) {
      throw Raised();
    }
    classes_.push_back({static_cast<ValueClass::Kind>(kind), Object::shared(type),
                        Object::shared(name), Object::shared(fields), Object::shared(encode),
                        Object::shared(decode)});
  }
}

const ValueClass* ValueClasses::find_named(PyObject* name) const {
  for (const ValueClass& one : classes_) {
    const int order = PyUnicode_Compare(one.name.get(), name);
    if (order == -1 && PyErr_Occurred() != nullptr) throw Raised();
    if (order == 0) return &one;
  }
  return nullptr;
}

namespace {

struct ValueCodec {
  PyObject_HEAD std::unique_ptr<ValueClasses> classes;
};

ValueCodec& codec_of(PyObject* self) noexcept { return *reinterpret_cast<ValueCodec*>(self); }

PyObject* make(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    PyObject* described = nullptr;
    if (kwargs != nullptr && PyDict_GET_SIZE(kwargs) != 0) {
      PyErr_SetString(PyExc_TypeError, "ValueCodec() takes no keyword arguments");
      throw Raised();
    }
    if (PyArg_UnpackTuple(args, "ValueCodec", 1, 1, &described) == 0) throw Raised();
    auto classes = std::make_unique<ValueClasses>(described);
    Object self = Object::checked(type->tp_alloc(type, 0));
    new (&codec_of(self.get()).classes) std::unique_ptr<ValueClasses>(std::move(classes));
    return self.release();
  });
}

void destroy(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  codec_of(self).classes.~unique_ptr();
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* encode(PyObject* self, PyObject* object) {
  return guarded([&]() -> PyObject* {
    ValueWriter writer(*codec_of(self).classes);
    Object bytes = writer.write(object);
    if (bytes) return bytes.release();
    raise_unstorable(object, writer.refused().get(), writer.knows_refused());
    return nullptr;
  });
}

PyObject* decode(PyObject* self, PyObject* bytes) {
  return guarded([&]() -> PyObject* {
    Py_buffer lent;
    if (PyObject_GetBuffer(bytes, &lent, PyBUF_SIMPLE) != 0) throw Raised();
    const std::unique_ptr<Py_buffer, void (*)(Py_buffer*)> released(&lent, &PyBuffer_Release);
    ValueReader reader({static_cast<const char*>(lent.buf), static_cast<std::size_t>(lent.len)},
                       *codec_of(self).classes);
    Object object = reader.read();
    if (object) return object.release();
    const std::string fault(engine::name_of(reader.fault()));
    PyErr_Format(PyExc_ValueError, "dcache: these bytes are no value: %s", fault.c_str());
    return nullptr;
  });
}

PyMethodDef methods[] = {
    {"encode", encode, METH_O,
     "encode($self, object, /)\n--\n\nThe bytes of an object; UnstorableError if it has none."},
    {"decode", decode, METH_O,
     "decode($self, bytes, /)\n--\n\nThe object of these bytes; ValueError if they are of none."},
    {}};

PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>("Results as bytes and back; made for the classes that may be in "
                                  "them.")},
    {Py_tp_new, reinterpret_cast<void*>(make)},
    {Py_tp_dealloc, reinterpret_cast<void*>(destroy)},
    {Py_tp_methods, methods},
    {0, nullptr}};
PyType_Spec spec = {"dcache._engine.ValueCodec", sizeof(ValueCodec), 0, Py_TPFLAGS_DEFAULT, slots};

PyObject* codec_type = nullptr;

}  // namespace

const ValueClasses& classes_of(PyObject* codec) noexcept { return *codec_of(codec).classes; }

bool is_value_codec(PyObject* object) noexcept {
  return reinterpret_cast<PyObject*>(Py_TYPE(object)) == codec_type;
}

bool prepare_values(PyObject* module) {
  codec_type = PyType_FromSpec(&spec);
  return codec_type != nullptr && PyModule_AddObjectRef(module, "ValueCodec", codec_type) == 0;
}

}  // namespace dcache::python
