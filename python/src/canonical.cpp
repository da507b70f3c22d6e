// SPDX-License-Identifier: MIT
#include "canonical.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

namespace dcache::python {
namespace {

// Major types and tags of RFC 8949; 258 and 259 are registered for sets and maps. Below 24 would be
// shorter, but those tags mean something else to other readers.
enum Major : std::uint8_t {
  natural = 0,
  negative = 1,
  octets = 2,
  text = 3,
  array = 4,
  map = 5,
  tag = 6
};
constexpr std::uint64_t positive_bignum = 2;
constexpr std::uint64_t negative_bignum = 3;
constexpr std::uint64_t tuple_tag = 0xDCA0;
constexpr std::uint64_t set_tag = 258;
constexpr std::uint64_t frozenset_tag = 0xDCA1;
constexpr std::uint64_t surrogates_tag = 0xDCA2;  // Text that is not Unicode, as surrogatepass.

void append_head(std::string& bytes, Major major, std::uint64_t value) {
  const auto first = static_cast<unsigned>(major) << 5U;
  const auto push = [&](unsigned info, unsigned width) {
    bytes.push_back(static_cast<char>(first | info));
    for (unsigned at = width; at-- > 0;) bytes.push_back(static_cast<char>(value >> (8 * at)));
  };
  if (value < 24) return push(static_cast<unsigned>(value), 0);
  if (value <= 0xFF) return push(24, 1);
  if (value <= 0xFFFF) return push(25, 2);
  if (value <= 0xFFFFFFFF) return push(26, 4);
  push(27, 8);
}

void append_int(PyObject* number, std::string& bytes) {
  int overflow = 0;
  const long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
  if (overflow == 0) {
    const bool minus = value < 0;
    const auto bits = static_cast<std::uint64_t>(value);
    return append_head(bytes, minus ? negative : natural, minus ? ~bits : bits);
  }
  // -1 - n for a negative n: what the RFC encodes.
  const Object magnitude =
      overflow > 0 ? Object::shared(number) : Object::checked(PyNumber_Invert(number));
  const std::size_t bits = _PyLong_NumBits(magnitude.get());
  std::vector<unsigned char> digits((bits + 7) / 8);
#if PY_VERSION_HEX >= 0x030D0000
  const int failed = _PyLong_AsByteArray(reinterpret_cast<PyLongObject*>(magnitude.get()),
                                         digits.data(), digits.size(), 0, 0, 1);
#else
  const int failed = _PyLong_AsByteArray(reinterpret_cast<PyLongObject*>(magnitude.get()),
                                         digits.data(), digits.size(), 0, 0);
#endif
  if (failed != 0) throw Raised();
  if (digits.size() <= 8) {  // Between 2^63 and 2^64.
    std::uint64_t value64 = 0;
    for (const unsigned char digit : digits) value64 = value64 << 8U | digit;
    return append_head(bytes, overflow > 0 ? natural : negative, value64);
  }
  append_head(bytes, tag, overflow > 0 ? positive_bignum : negative_bignum);
  append_head(bytes, octets, digits.size());
  bytes.append(digits.begin(), digits.end());
}

void append_float(PyObject* number, std::string& bytes) {
  const auto bits = std::bit_cast<std::uint64_t>(PyFloat_AS_DOUBLE(number));
  bytes.push_back(static_cast<char>(0xFB));
  for (unsigned at = 8; at-- > 0;) bytes.push_back(static_cast<char>(bits >> (8 * at)));
}

void append_text(PyObject* string, std::string& bytes) {
  Py_ssize_t size = 0;
  const char* const utf8 = PyUnicode_AsUTF8AndSize(string, &size);
  if (utf8 != nullptr) {
    append_head(bytes, text, static_cast<std::uint64_t>(size));
    bytes.append(utf8, static_cast<std::size_t>(size));
    return;
  }
  PyErr_Clear();
  const Object encoded =
      Object::checked(PyUnicode_AsEncodedString(string, "utf-8", "surrogatepass"));
  append_head(bytes, tag, surrogates_tag);
  append_head(bytes, octets, static_cast<std::uint64_t>(PyBytes_GET_SIZE(encoded.get())));
  bytes.append(PyBytes_AS_STRING(encoded.get()),
               static_cast<std::size_t>(PyBytes_GET_SIZE(encoded.get())));
}

bool append_array(PyObject* const* items, Py_ssize_t count, std::string& bytes) {
  append_head(bytes, array, static_cast<std::uint64_t>(count));
  return std::all_of(items, items + count,
                     [&](PyObject* item) { return append_canonical(item, bytes); });
}

void append_sorted(std::vector<std::string>& parts, std::string& bytes) {
  std::sort(parts.begin(), parts.end());
  for (const std::string& part : parts) bytes += part;
}

bool append_set(PyObject* set, std::string& bytes) {
  std::vector<std::string> parts;
  const Object items = Object::checked(PySequence_List(set));
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items.get()); ++i) {
    if (!append_canonical(PyList_GET_ITEM(items.get(), i), parts.emplace_back())) return false;
  }
  append_head(bytes, array, parts.size());
  append_sorted(parts, bytes);
  return true;
}

bool append_dict(PyObject* dict, std::string& bytes) {
  std::vector<std::string> parts;
  PyObject *key = nullptr, *value = nullptr;
  for (Py_ssize_t at = 0; PyDict_Next(dict, &at, &key, &value) != 0;) {
    std::string& part = parts.emplace_back();
    if (!append_canonical(key, part) || !append_canonical(value, part)) return false;
  }
  append_head(bytes, map, parts.size());
  append_sorted(parts, bytes);
  return true;
}

// Counts the depth while it lives.
class Deeper {
 public:
  Deeper() {
    if (Py_EnterRecursiveCall(" while encoding an argument of a cached call") != 0) throw Raised();
  }
  ~Deeper() { Py_LeaveRecursiveCall(); }
  Deeper(const Deeper&) = delete;
  Deeper& operator=(const Deeper&) = delete;
};

bool append_container(PyObject* object, std::string& bytes) {
  const Deeper deeper;
  PyTypeObject* const type = Py_TYPE(object);
  if (type == &PyTuple_Type) {
    append_head(bytes, tag, tuple_tag);
    return append_array(&PyTuple_GET_ITEM(object, 0), PyTuple_GET_SIZE(object), bytes);
  }
  if (type == &PyList_Type) {
    return append_array(PySequence_Fast_ITEMS(object), PyList_GET_SIZE(object), bytes);
  }
  if (type == &PyDict_Type) return append_dict(object, bytes);
  if (type != &PySet_Type && type != &PyFrozenSet_Type) return false;
  append_head(bytes, tag, type == &PySet_Type ? set_tag : frozenset_tag);
  return append_set(object, bytes);
}

PyObject* canonical_type = nullptr;

}  // namespace

bool keyed_by_content(PyTypeObject* type) noexcept {
  return type == &PyTuple_Type || type == &PyList_Type || type == &PyDict_Type ||
         type == &PySet_Type || type == &PyFrozenSet_Type;
}

bool append_canonical(PyObject* object, std::string& bytes) {
  PyTypeObject* const type = Py_TYPE(object);
  if (object == Py_None) {
    bytes.push_back(static_cast<char>(0xF6));
  } else if (type == &PyBool_Type) {
    bytes.push_back(static_cast<char>(object == Py_True ? 0xF5 : 0xF4));
  } else if (type == &PyLong_Type) {
    append_int(object, bytes);
  } else if (type == &PyFloat_Type) {
    append_float(object, bytes);
  } else if (type == &PyUnicode_Type) {
    append_text(object, bytes);
  } else if (type == &PyBytes_Type) {
    append_head(bytes, octets, static_cast<std::uint64_t>(PyBytes_GET_SIZE(object)));
    bytes.append(PyBytes_AS_STRING(object), static_cast<std::size_t>(PyBytes_GET_SIZE(object)));
  } else {
    return append_container(object, bytes);
  }
  return true;
}

Object canonical_key(PyObject* object) {
  std::string bytes;
  if (!append_canonical(object, bytes)) return Object();
  return Object::checked(PyObject_CallFunction(canonical_type, "y#", bytes.data(),
                                               static_cast<Py_ssize_t>(bytes.size())));
}

bool is_canonical_key(PyTypeObject* type) noexcept {
  return reinterpret_cast<PyObject*>(type) == canonical_type;
}

// A subclass of bytes: hash and equality are there, and run no Python.
bool prepare_canonical() {
  if (canonical_type != nullptr) return true;
  canonical_type = PyObject_CallFunction(reinterpret_cast<PyObject*>(&PyType_Type), "s(O){}",
                                         "dcache.CanonicalBytes", &PyBytes_Type);
  return canonical_type != nullptr;
}

}  // namespace dcache::python
