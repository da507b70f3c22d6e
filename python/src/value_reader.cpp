// SPDX-License-Identifier: MIT
#include "value_reader.hpp"

#include <algorithm>
#include <climits>

#include "dcache/engine/hot.hpp"

#include "canonical.hpp"
#include "short_text.hpp"

namespace dcache::python {
namespace {

namespace cbor = engine::cbor;
using cbor::Major;
using engine::RecordFault;

PyObject* new_dict([[maybe_unused]] std::uint64_t pairs) {
#if PY_VERSION_HEX < 0x030D0000
  constexpr std::uint64_t usual = 5;  // What fits into one that is not told.
  constexpr std::uint64_t believed = 1000;
  if (pairs > usual) return _PyDict_NewPresized(static_cast<Py_ssize_t>(std::min(pairs, believed)));
#endif
  return PyDict_New();
}

// What an API call returned.
DCACHE_HOT inline PyObject* made(PyObject* object) {
  if (object == nullptr) throw Raised();
  return object;
}

struct List {
  static PyObject* make(Py_ssize_t count) { return PyList_New(count); }
  static void set(PyObject* list, Py_ssize_t at, PyObject* item) noexcept {
    PyList_SET_ITEM(list, at, item);
  }
};
struct Tuple {
  static PyObject* make(Py_ssize_t count) { return PyTuple_New(count); }
  static void set(PyObject* tuple, Py_ssize_t at, PyObject* item) noexcept {
    PyTuple_SET_ITEM(tuple, at, item);
  }
};

}  // namespace

Object ValueReader::read() {
  Object object = one();
  if (object && !reader_.at_end()) return refuse(RecordFault::malformed);
  return object;
}

std::nullptr_t ValueReader::refuse(RecordFault fault) {
  if (fault_ == RecordFault::none) {
    fault_ = fault != RecordFault::mismatch || !reader_.failed() ? fault : RecordFault::malformed;
  }
  reader_.fail();
  return nullptr;
}

std::nullptr_t ValueReader::refuse_raised() {
  if (PyErr_ExceptionMatches(PyExc_Exception) == 0 ||
      PyErr_ExceptionMatches(PyExc_MemoryError) != 0) {
    throw Raised();
  }
  const bool deep = PyErr_ExceptionMatches(PyExc_RecursionError) != 0;
  PyErr_Clear();
  return refuse(deep ? RecordFault::too_deep : RecordFault::mismatch);
}

PyObject* ValueReader::item() { return next(); }

DCACHE_HOT inline PyObject* ValueReader::next() {
  Head head;
  if (!reader_.read(head)) return refuse(RecordFault::malformed);
  return item_of(head);
}

DCACHE_HOT inline PyObject* ValueReader::item_of(const Head& head) {
  switch (head.major) {
    case Major::natural:
    case Major::negative:
      return integer(head);
    case Major::text:
      return text(head);
    case Major::bytes:
      return bytes_of(head);
    case Major::simple:
      if (head.is_float()) return made(PyFloat_FromDouble(cbor::float_of(head)));
      if (head.is_null()) return Py_NewRef(Py_None);
      if (head.is_true()) return Py_NewRef(Py_True);
      if (head.is_false()) return Py_NewRef(Py_False);
      return refuse(RecordFault::malformed);
    default:
      return deeper(head);
  }
}

PyObject* ValueReader::deeper(const Head& head) {
  if (depth_ >= Canonical::depth_max) return refuse(RecordFault::too_deep);
  ++depth_;  // Ours alone: the interpreter's own count would cost a fifth of a small dict.
  PyObject* const object = head.major == Major::map     ? dict(head)
                           : head.major == Major::array ? list(static_cast<Py_ssize_t>(head.value))
                                                        : tagged(head.value).release();
  --depth_;
  return object;
}

DCACHE_HOT inline PyObject* ValueReader::integer(const Head& head) {
  const bool negative = head.major == Major::negative;
  if (head.value <= static_cast<std::uint64_t>(LONG_MAX)) [[likely]] {
    const long value = static_cast<long>(head.value);
    return made(PyLong_FromLong(negative ? -1 - value : value));
  }
  Object natural = Object::checked(PyLong_FromUnsignedLongLong(head.value));
  return negative ? made(PyNumber_Invert(natural.get())) : natural.release();
}

PyObject* ValueReader::bytes_of(const Head& head) {
  std::string_view bytes;
  if (!reader_.take(head, bytes)) return refuse(RecordFault::malformed);
  return made(PyBytes_FromStringAndSize(bytes.data(), static_cast<Py_ssize_t>(bytes.size())));
}

DCACHE_HOT inline PyObject* ValueReader::text(const Head& head) {
  std::string_view bytes;
  if (!reader_.take(head, bytes)) return refuse(RecordFault::malformed);
  if (bytes.size() - 1 < ShortBytes::longest - 1) {
    const ShortBytes few =
        ShortBytes::of(bytes.data(), bytes.size(), bytes.size() + reader_.left());
    if (few.is_ascii()) return short_text(few, bytes.size());
  }
  return long_text(bytes);
}

PyObject* ValueReader::long_text(std::string_view bytes) {
  if (is_ascii(bytes)) return ascii_text(bytes).release();
  PyObject* const text =
      PyUnicode_DecodeUTF8(bytes.data(), static_cast<Py_ssize_t>(bytes.size()), "strict");
  return text != nullptr ? text : refuse_raised();
}

[[gnu::noinline]] PyObject* ValueReader::other_key(const Head& head) { return item_of(head); }

DCACHE_HOT inline PyObject* ValueReader::key() {
  Head head;
  if (!reader_.read(head)) return refuse(RecordFault::malformed);
  if (head.major != Major::text || head.value < KnownKeys::shortest ||
      head.value > KnownKeys::longest) {
    return other_key(head);
  }
  std::string_view bytes;
  if (!reader_.take(head, bytes)) return refuse(RecordFault::malformed);
  PyObject* const known = known_.of(bytes, bytes.size() + reader_.left());
  return known != nullptr ? known : long_text(bytes);
}

// A container is seen by the collector only when it is complete: as soon as an item comes that may
// run Python, or make the collector run.
template <class Container>
PyObject* ValueReader::items(Py_ssize_t count) {
  Object all = Object::checked(Container::make(count));
  bool hidden = false;
  for (Py_ssize_t i = 0; i < count; ++i) {
    Head head;
    if (!reader_.read(head)) return refuse(RecordFault::malformed);
    if (!hidden && head.major >= Major::array && head.major <= Major::tag) {
      PyObject_GC_UnTrack(all.get());
      hidden = true;
    }
    PyObject* const one = item_of(head);
    if (one == nullptr) return nullptr;
    Container::set(all.get(), i, one);
  }
  if (hidden) PyObject_GC_Track(all.get());
  return all.release();
}

PyObject* ValueReader::dict(const Head& head) {
  Object dict = Object::checked(new_dict(head.value));
  for (std::uint64_t i = 0; i < head.value; ++i) {
    const Object name = Object::owned(key());
    if (!name) return nullptr;
    const Object value = Object::owned(next());
    if (!value) return nullptr;
    if (PyDict_SetItem(dict.get(), name.get(), value.get()) != 0) return refuse_raised();
  }
  if (static_cast<std::uint64_t>(PyDict_GET_SIZE(dict.get())) != head.value) {
    return refuse(RecordFault::malformed);  // A key that comes twice.
  }
  return dict.release();
}

PyObject* ValueReader::list(Py_ssize_t count) { return items<List>(count); }

Object ValueReader::tuple(Py_ssize_t count) { return Object::owned(items<Tuple>(count)); }

}  // namespace dcache::python
