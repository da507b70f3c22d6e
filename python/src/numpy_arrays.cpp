// SPDX-License-Identifier: MIT
#include "numpy_arrays.hpp"

#include <array>
#include <cstring>

#include "dcache/engine/cbor_tags.hpp"

namespace dcache::python {
namespace {

namespace cbor = engine::cbor;
using cbor::Major;

// RFC 8746, section 2.1; the last letters of a type as NumPy writes it.
struct TypedArray {
  std::uint64_t tag;
  const char* type;
};
constexpr std::array<TypedArray, 20> typed_arrays = {{
    {64, "|u1"}, {65, ">u2"}, {66, ">u4"}, {67, ">u8"}, {69, "<u2"}, {70, "<u4"}, {71, "<u8"},
    {72, "|i1"}, {73, ">i2"}, {74, ">i4"}, {75, ">i8"}, {77, "<i2"}, {78, "<i4"}, {79, "<i8"},
    {80, ">f2"}, {81, ">f4"}, {82, ">f8"}, {84, "<f2"}, {85, "<f4"}, {86, "<f8"},
}};

Object numpy(const char* name) {
  static PyObject* const module_name = PyUnicode_InternFromString("numpy");
  const Object module = Object::owned(PyImport_GetModule(module_name));
  if (!module) {
    if (PyErr_Occurred() == nullptr) PyErr_SetString(PyExc_ImportError, "numpy is not imported");
    return Object();
  }
  return Object::owned(PyObject_GetAttrString(module.get(), name));
}

Object attribute(PyObject* object, const char* name) {
  return Object::checked(PyObject_GetAttrString(object, name));
}
bool is_true(const Object& object) { return PyObject_IsTrue(object.get()) == 1; }

// Objects, and structures, which have names, are no plain items.
bool is_plain(PyObject* dtype) {
  const Object kind = attribute(dtype, "kind");
  const Py_UCS4 letter = PyUnicode_READ_CHAR(kind.get(), 0);
  return std::strchr("biufcmMSU", static_cast<char>(letter)) != nullptr && letter < 128;
}

bool is_numpys(PyTypeObject* type) noexcept {
  return std::strncmp(type->tp_name, "numpy.", 6) == 0;
}

std::uint64_t tag_of(PyObject* type) noexcept {
  for (const TypedArray& one : typed_arrays) {
    if (PyUnicode_CompareWithASCIIString(type, one.type) == 0) return one.tag;
  }
  return 0;
}

void write_dimensions(ByteBuffer& out, PyObject* shape) {
  const Py_ssize_t count = PyTuple_GET_SIZE(shape);
  out.head(Major::array, static_cast<std::uint64_t>(count));
  for (Py_ssize_t i = 0; i < count; ++i) {
    out.head(Major::natural, PyLong_AsUnsignedLongLong(PyTuple_GET_ITEM(shape, i)));
  }
}

// The items in memory order; by a copy where they do not lie together or NumPy lends none out.
void write_items(ByteBuffer& out, PyObject* array, bool fortran_order) {
  Py_buffer lent;
  const int wanted = fortran_order ? PyBUF_F_CONTIGUOUS : PyBUF_C_CONTIGUOUS;
  if (PyObject_GetBuffer(array, &lent, wanted) == 0) {
    out.run(Major::bytes, lent.buf, static_cast<std::size_t>(lent.len));
    PyBuffer_Release(&lent);
    return;
  }
  PyErr_Clear();
  const Object bytes =
      Object::checked(PyObject_CallMethod(array, "tobytes", "s", fortran_order ? "F" : "C"));
  out.run(Major::bytes, PyBytes_AS_STRING(bytes.get()),
          static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.get())));
}

void write_array(ByteBuffer& out, PyObject* array, PyObject* type, bool key) {
  const Object flags = attribute(array, "flags");
  const Object shape = attribute(array, "shape");
  const bool flat = PyTuple_GET_SIZE(shape.get()) == 1;
  const bool fortran_order = !key && !flat && !is_true(attribute(flags.get(), "c_contiguous")) &&
                             is_true(attribute(flags.get(), "f_contiguous"));
  const std::uint64_t tag = tag_of(type);
  if (tag != 0) {
    if (!flat) {
      out.head(Major::tag, fortran_order ? cbor::column_major_tag : cbor::row_major_tag);
      out.head(Major::array, 2);
      write_dimensions(out, shape.get());
    }
    out.head(Major::tag, tag);
    return write_items(out, array, fortran_order);
  }
  out.head(Major::tag, cbor::array_tag);
  out.head(Major::array, 4);
  write_text(out, type);
  out.run(Major::text, fortran_order ? "F" : "C", 1);
  write_dimensions(out, shape.get());
  write_items(out, array, fortran_order);
}

// Only what NumPy writes itself: a type is not looked up by another spelling of it.
Object dtype_of(PyObject* type) {
  const Object make = numpy("dtype");
  if (!make || PyUnicode_CheckExact(type) == 0) return Object();
  Object dtype = Object::owned(PyObject_CallOneArg(make.get(), type));
  if (!dtype || !is_plain(dtype.get())) return Object();
  const Object spelled = attribute(dtype.get(), "str");
  return PyUnicode_Compare(spelled.get(), type) == 0 ? dtype : Object();
}

// Whether an array of these dimensions has exactly so many bytes.
bool fits(PyObject* dimensions, std::size_t item, std::size_t bytes) {
  std::size_t size = item;
  bool empty = item == 0;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(dimensions); ++i) {
    PyObject* const one = PyList_GET_ITEM(dimensions, i);
    if (PyLong_CheckExact(one) == 0) return false;
    const Py_ssize_t length = PyLong_AsSsize_t(one);
    if (length < 0) {
      PyErr_Clear();
      return false;
    }
    if (length == 0) {
      empty = true;
    } else if (__builtin_mul_overflow(size, static_cast<std::size_t>(length), &size)) {
      return false;
    }
  }
  return empty ? bytes == 0 : size == bytes;
}

}  // namespace

bool append_numpy(ByteBuffer& out, PyObject* object, bool key) {
  PyTypeObject* const type = Py_TYPE(object);
  if (!is_numpys(type)) return false;
  const Object array_type = numpy("ndarray");
  const Object scalar_type = numpy("generic");
  if (!array_type || !scalar_type) {
    PyErr_Clear();
    return false;
  }
  const bool is_array = array_type.get() == reinterpret_cast<PyObject*>(type);
  if (!is_array && PyObject_IsInstance(object, scalar_type.get()) != 1) return false;
  const Object dtype = attribute(object, "dtype");
  if (!is_plain(dtype.get())) return false;
  const Object spelled = attribute(dtype.get(), "str");
  if (is_array) {
    write_array(out, object, spelled.get(), key);
    return true;
  }
  const Object bytes = Object::checked(PyObject_CallMethod(object, "tobytes", nullptr));
  out.head(Major::tag, cbor::scalar_tag);
  out.head(Major::array, 2);
  write_text(out, spelled.get());
  out.run(Major::bytes, PyBytes_AS_STRING(bytes.get()),
          static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.get())));
  return true;
}

const char* typed_array(std::uint64_t tag) noexcept {
  for (const TypedArray& one : typed_arrays) {
    if (one.tag == tag) return one.type;
  }
  return nullptr;
}

Object make_array(PyObject* type, PyObject* dimensions, bool fortran_order,
                  std::string_view bytes) {
  const Object dtype = dtype_of(type);
  if (!dtype) return Object();
  const std::size_t item = PyLong_AsSize_t(attribute(dtype.get(), "itemsize").get());
  Object flat;
  if (dimensions == nullptr) {
    if (item == 0 || bytes.size() % item != 0) return Object();
    flat = Object::checked(Py_BuildValue("[n]", static_cast<Py_ssize_t>(bytes.size() / item)));
    dimensions = flat.get();
  }
  if (PyList_CheckExact(dimensions) == 0 || !fits(dimensions, item, bytes.size())) return Object();
  const Object empty = numpy("empty");
  if (!empty) return Object();
  Object array = Object::owned(PyObject_CallFunction(empty.get(), "OOs", dimensions, dtype.get(),
                                                     fortran_order ? "F" : "C"));
  if (!array || bytes.empty()) return array;
  // Not by the buffer protocol, which does not know times.
  const Object interface = attribute(array.get(), "__array_interface__");
  PyObject* const data = PyDict_GetItemString(interface.get(), "data");  // (address, read-only).
  if (data == nullptr || PyTuple_Check(data) == 0) return Object();
  std::memcpy(PyLong_AsVoidPtr(PyTuple_GET_ITEM(data, 0)), bytes.data(), bytes.size());
  return array;
}

Object make_scalar(PyObject* type, std::string_view bytes) {
  const Object one = Object::checked(Py_BuildValue("[i]", 1));
  const Object array = make_array(type, one.get(), false, bytes);
  if (!array) return Object();
  const Object first = Object::checked(PyLong_FromLong(0));
  return Object::owned(PyObject_GetItem(array.get(), first.get()));
}

}  // namespace dcache::python
