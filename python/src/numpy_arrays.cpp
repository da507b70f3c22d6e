// SPDX-License-Identifier: MIT
#include "numpy_arrays.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "dcache/engine/cbor_tags.hpp"

namespace dcache::python {
namespace {

namespace cbor = engine::cbor;
using cbor::Major;

// RFC 8746, section 2.1; the type as NumPy writes it: byte order, kind, size of an item.
struct TypedArray {
  std::uint64_t tag;
  const char* type;
};
constexpr std::array<TypedArray, 20> typed_arrays = {{
    {64, "|u1"}, {65, ">u2"}, {66, ">u4"}, {67, ">u8"}, {69, "<u2"}, {70, "<u4"}, {71, "<u8"},
    {72, "|i1"}, {73, ">i2"}, {74, ">i4"}, {75, ">i8"}, {77, "<i2"}, {78, "<i4"}, {79, "<i8"},
    {80, ">f2"}, {81, ">f4"}, {82, ">f8"}, {84, "<f2"}, {85, "<f4"}, {86, "<f8"},
}};

// What is asked of NumPy. Never let go of once it is there.
struct Numpy {
  PyObject* array = nullptr;                            // The class,
  PyObject* scalar = nullptr;                           // the base of those of scalars,
  PyObject* dtype = nullptr;                            // and that of types.
  PyObject* empty = nullptr;                            // A function.
  std::array<PyObject*, typed_arrays.size()> dtypes{};  // Of typed arrays, as they are met.
};

// Null: it was not imported (an error is set).
Numpy* numpy() {
  static Numpy known;
  if (known.empty != nullptr) return &known;
  const Object name = Object::checked(PyUnicode_FromString("numpy"));
  const Object module = Object::owned(PyImport_GetModule(name.get()));
  if (!module) {
    if (PyErr_Occurred() == nullptr) PyErr_SetString(PyExc_ImportError, "numpy is not imported");
    return nullptr;
  }
  Object found[] = {Object::owned(PyObject_GetAttrString(module.get(), "ndarray")),
                    Object::owned(PyObject_GetAttrString(module.get(), "generic")),
                    Object::owned(PyObject_GetAttrString(module.get(), "dtype")),
                    Object::owned(PyObject_GetAttrString(module.get(), "empty"))};
  for (const Object& one : found) {
    if (!one) return nullptr;  // It is being imported.
  }
  known.array = found[0].release();
  known.scalar = found[1].release();
  known.dtype = found[2].release();
  known.empty = found[3].release();
  return &known;
}

Object attribute(PyObject* object, const char* name) {
  return Object::checked(PyObject_GetAttrString(object, name));
}

// Objects, and structures, which have names, are no plain items.
bool is_plain(Py_UCS4 kind) noexcept {
  return kind != 0 && kind < 128 && std::strchr("biufcmMSU", static_cast<int>(kind)) != nullptr;
}
std::size_t item_size(PyObject* dtype) {
  return PyLong_AsSize_t(attribute(dtype, "itemsize").get());
}
Py_UCS4 kind_of(PyObject* dtype) { return PyUnicode_READ_CHAR(attribute(dtype, "kind").get(), 0); }

// An array as `__array_struct__` shows it (the array interface of NumPy, for C): one attribute
// where type, shape, order and address would be six, and for times, too, which the buffer protocol
// does not know.
class Shown {
 public:
  explicit Shown(PyObject* array) {
    static PyObject* const name = PyUnicode_InternFromString("__array_struct__");
    capsule_ = Object::checked(PyObject_GetAttr(array, name));
    shown_ = static_cast<const Interface*>(PyCapsule_GetPointer(capsule_.get(), nullptr));
    if (shown_ == nullptr) throw Raised();
  }

  int dimensions() const noexcept { return shown_->dimensions; }
  std::uint64_t length(int dimension) const noexcept {
    return static_cast<std::uint64_t>(shown_->shape[dimension]);
  }
  bool in_c_order() const noexcept { return (shown_->flags & 0x1) != 0; }
  bool in_fortran_order() const noexcept { return (shown_->flags & 0x2) != 0; }
  void* data() const noexcept { return shown_->data; }
  std::size_t bytes() const noexcept {
    auto size = static_cast<std::size_t>(shown_->item_size);
    for (int i = 0; i < shown_->dimensions; ++i) size *= length(i);
    return size;
  }

  char kind() const noexcept { return shown_->kind; }
  // Of a typed array; or 0.
  std::uint64_t tag() const noexcept {
    const bool native = (shown_->flags & 0x200) != 0;
    const bool little = native == (std::endian::native == std::endian::little);
    for (const auto& [tag, type] : typed_arrays) {
      if (type[1] == shown_->kind && type[2] - '0' == shown_->item_size &&
          (type[0] == '|' || (type[0] == '<') == little)) {
        return tag;
      }
    }
    return 0;
  }

 private:
  struct Interface {  // `PyArrayInterface`.
    int two;
    int dimensions;
    char kind;
    int item_size;
    int flags;
    Py_intptr_t* shape;
    Py_intptr_t* strides;
    void* data;
    PyObject* description;
  };

  Object capsule_;  // Keeps the array.
  const Interface* shown_ = nullptr;
};

bool is_numpys(PyTypeObject* type) noexcept {
  return std::strncmp(type->tp_name, "numpy.", 6) == 0;
}

void write_dimensions(ByteBuffer& out, const Shown& shown) {
  out.head(Major::array, static_cast<std::uint64_t>(shown.dimensions()));
  for (int i = 0; i < shown.dimensions(); ++i) out.head(Major::natural, shown.length(i));
}

// The items in this order; by a copy where they do not lie together.
void write_items(ByteBuffer& out, PyObject* array, const Shown& shown, bool fortran_order) {
  if (fortran_order ? shown.in_fortran_order() : shown.in_c_order()) {
    return out.run(Major::bytes, shown.data(), shown.bytes());
  }
  const Object bytes =
      Object::checked(PyObject_CallMethod(array, "tobytes", "s", fortran_order ? "F" : "C"));
  out.run(Major::bytes, PyBytes_AS_STRING(bytes.get()),
          static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.get())));
}

bool write_array(ByteBuffer& out, PyObject* array, bool key) {
  const Shown shown(array);
  if (!is_plain(static_cast<unsigned char>(shown.kind()))) return false;
  const bool flat = shown.dimensions() == 1;
  const bool fortran_order = !key && !flat && !shown.in_c_order() && shown.in_fortran_order();
  if (const std::uint64_t tag = shown.tag(); tag != 0) {
    if (!flat) {
      out.head(Major::tag, fortran_order ? cbor::column_major_tag : cbor::row_major_tag);
      out.head(Major::array, 2);
      write_dimensions(out, shown);
    }
    out.head(Major::tag, tag);
    write_items(out, array, shown, fortran_order);
    return true;
  }
  const Object dtype = attribute(array, "dtype");
  out.head(Major::tag, cbor::array_tag);
  out.head(Major::array, 4);
  write_text(out, attribute(dtype.get(), "str").get());
  out.run(Major::text, fortran_order ? "F" : "C", 1);
  write_dimensions(out, shown);
  write_items(out, array, shown, fortran_order);
  return true;
}

bool write_scalar(ByteBuffer& out, PyObject* scalar) {
  const Object dtype = attribute(scalar, "dtype");
  if (!is_plain(kind_of(dtype.get()))) return false;
  const Object bytes = Object::checked(PyObject_CallMethod(scalar, "tobytes", nullptr));
  const bool empty = item_size(dtype.get()) == 0;  // Though `tobytes` of `numpy.str_("")` has some.
  out.head(Major::tag, cbor::scalar_tag);
  out.head(Major::array, 2);
  write_text(out, attribute(dtype.get(), "str").get());
  out.run(Major::bytes, PyBytes_AS_STRING(bytes.get()),
          empty ? 0 : static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.get())));
  return true;
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
  const Numpy* const known = numpy();
  if (known == nullptr) {
    PyErr_Clear();
    return false;
  }
  if (known->array == reinterpret_cast<PyObject*>(type)) return write_array(out, object, key);
  return PyObject_IsInstance(object, known->scalar) == 1 && write_scalar(out, object);
}

bool is_typed_array(std::uint64_t tag) noexcept {
  return std::any_of(typed_arrays.begin(), typed_arrays.end(),
                     [&](const TypedArray& one) { return one.tag == tag; });
}

Object dtype_of(std::uint64_t tag) {
  for (std::size_t i = 0; i < typed_arrays.size(); ++i) {
    if (typed_arrays[i].tag != tag) continue;
    Numpy* const known = numpy();
    if (known == nullptr) return Object();
    PyObject*& dtype = known->dtypes[i];
    if (dtype == nullptr) dtype = PyObject_CallFunction(known->dtype, "s", typed_arrays[i].type);
    return Object::shared(dtype);
  }
  return Object();
}

// Only what NumPy writes itself: a type is not looked up by another spelling of it.
Object dtype_of(PyObject* name) {
  const Numpy* const known = numpy();
  if (known == nullptr || PyUnicode_CheckExact(name) == 0) return Object();
  Object dtype = Object::owned(PyObject_CallOneArg(known->dtype, name));
  if (!dtype || !is_plain(kind_of(dtype.get()))) return Object();
  const Object spelled = attribute(dtype.get(), "str");
  return PyUnicode_Compare(spelled.get(), name) == 0 ? dtype : Object();
}

Object make_array(PyObject* dtype, PyObject* dimensions, bool fortran_order,
                  std::string_view bytes) {
  const Numpy* const known = numpy();
  if (known == nullptr) return Object();
  const std::size_t item = item_size(dtype);
  Object flat;
  if (dimensions == nullptr) {
    if (item == 0 || bytes.size() % item != 0) return Object();
    flat = Object::checked(PyLong_FromSize_t(bytes.size() / item));
    dimensions = flat.get();
  } else if (PyList_CheckExact(dimensions) == 0 || !fits(dimensions, item, bytes.size())) {
    return Object();
  }
  static PyObject* const orders[] = {PyUnicode_InternFromString("C"),
                                     PyUnicode_InternFromString("F")};
  PyObject* const order = orders[fortran_order ? 1 : 0];
  // Of items without bytes, such as those of `<U0`, `empty` would make some of one character.
  if (item == 0) {
    return Object::owned(PyObject_CallFunction(known->array, "OOOiOO", dimensions, dtype, Py_None,
                                               0, Py_None, order));
  }
  PyObject* const arguments[] = {dimensions, dtype, order};
  Object array = Object::owned(PyObject_Vectorcall(known->empty, arguments, 3, nullptr));
  if (array && !bytes.empty())
    copy(static_cast<char*>(Shown(array.get()).data()), bytes.data(), bytes.size());
  return array;
}

Object make_scalar(PyObject* dtype, std::string_view bytes) {
  const Object one = Object::checked(Py_BuildValue("[i]", 1));
  const Object array = make_array(dtype, one.get(), false, bytes);
  if (!array) return Object();
  const Object first = Object::checked(PyLong_FromLong(0));
  return Object::owned(PyObject_GetItem(array.get(), first.get()));
}

}  // namespace dcache::python
