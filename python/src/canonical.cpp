// SPDX-License-Identifier: MIT
#include "canonical.hpp"

#include <array>
#include <span>
#include <utility>
#include <vector>

#include "dcache/engine/cbor.hpp"
#include "dcache/engine/cbor_tags.hpp"

#include "canonical_atoms.hpp"
#include "stdlib_types.hpp"

namespace dcache::python {
namespace {

namespace cbor = engine::cbor;
using cbor::Major;

[[noreturn]] void raise_changed() {
  PyErr_SetString(PyExc_RuntimeError, "dcache: an argument changed while its key was made");
  throw Raised();
}

// Where the items of a set or dict end, to order them by.
class Ends {
 public:
  Ends(Py_ssize_t items, std::size_t begin) : size_(static_cast<std::size_t>(items) + 1) {
    if (size_ > few_.size()) many_.resize(size_);
    all()[0] = begin;
  }
  void add(std::size_t end) {
    if (count_ == size_) raise_changed();
    all()[count_++] = end;
  }
  void sort(std::string& bytes) {
    if (count_ != size_) raise_changed();
    cbor::sort_items(bytes, std::span(all(), count_));
  }

 private:
  std::size_t* all() noexcept { return size_ > few_.size() ? many_.data() : few_.data(); }

  std::size_t size_;
  std::size_t count_ = 1;
  std::array<std::size_t, 17> few_;
  std::vector<std::size_t> many_;
};

// Calls `append(item)` for each until it is false. Makes no object that the collector knows: before
// 3.12 a collection could begin there, and with it anybody's code.
template <class Append>
bool each_of_set(PyObject* set, Append append) {
#if PY_VERSION_HEX < 0x030D0000
  PyObject* item = nullptr;
  Py_hash_t hash = 0;
  for (Py_ssize_t at = 0; _PySet_NextEntry(set, &at, &item, &hash) != 0;) {
    if (!append(item)) return false;
  }
#else
  const Object iterator = Object::checked(PyObject_GetIter(set));
  while (const Object item = Object::owned(PyIter_Next(iterator.get()))) {
    if (!append(item.get())) return false;
  }
  if (PyErr_Occurred() != nullptr) throw Raised();
#endif
  return true;
}

// The memory of the last one that was written, for the next. Never destroyed.
std::string& spare() {
  static auto* const spare = new std::string;
  return *spare;
}

}  // namespace

bool keyed_by_content(PyTypeObject* type) noexcept {
  return type == &PyTuple_Type || type == &PyList_Type || type == &PyDict_Type ||
         type == &PySet_Type || type == &PyFrozenSet_Type || looser_than_its_content(type) ||
         type->tp_hash == PyObject_HashNotImplemented;
}

// Counts the depth while it lives. Our own bound holds whatever the program has set the
// interpreter's to, which before 3.12 is all that keeps a list that holds itself from a crash.
class Canonical::Deeper {
 public:
  explicit Deeper(int& depth) : depth_(depth) {
    if (depth_ >= depth_max) {
      PyErr_Format(PyExc_RecursionError,
                   "dcache: an argument holds itself, or is nested more than %d levels deep",
                   depth_max);
      throw Raised();
    }
    if (Py_EnterRecursiveCall(" while a key is made of an argument") != 0) throw Raised();
    ++depth_;
  }
  ~Deeper() {
    --depth_;
    Py_LeaveRecursiveCall();
  }
  Deeper(const Deeper&) = delete;
  Deeper& operator=(const Deeper&) = delete;

 private:
  int& depth_;
};

Canonical::Canonical() : bytes_(std::move(spare())) { bytes_.clear(); }

Canonical::~Canonical() {
  constexpr std::size_t keep_max = 1U << 16U;
  if (bytes_.capacity() <= keep_max) spare() = std::move(bytes_);
}

bool Canonical::append(PyObject* object) {
  PyTypeObject* const type = Py_TYPE(object);
  if (append_atom(object, type)) return true;
  const Deeper deeper(depth_);
  const Object held = Object::shared(object);  // Whatever happens to what holds it.
  if (append_compound(object, type)) return true;
  if (!without_) without_ = held;
  return false;
}

void Canonical::append_array_head(Py_ssize_t count) {
  cbor::append_head(bytes_, Major::array, static_cast<std::uint64_t>(count));
}

void Canonical::append_keywords_tag() { cbor::append_tag(bytes_, cbor::keywords_tag); }

void Canonical::append_default_of(PyObject* parameter) {
  without_ = Object();
  cbor::append_tag(bytes_, cbor::default_tag);
  append_text(parameter, bytes_);
}

bool Canonical::append_atom(PyObject* object, PyTypeObject* type) {
  if (type == &PyUnicode_Type) {
    append_text(object, bytes_);
  } else if (type == &PyLong_Type) {
    append_int(object, bytes_);
  } else if (object == Py_None) {
    cbor::append_null(bytes_);
  } else if (type == &PyBool_Type) {
    cbor::append_bool(bytes_, object == Py_True);
  } else if (type == &PyFloat_Type) {
    cbor::append_double(bytes_, PyFloat_AS_DOUBLE(object));
  } else if (type == &PyBytes_Type) {
    cbor::append_bytes(
        bytes_, {PyBytes_AS_STRING(object), static_cast<std::size_t>(PyBytes_GET_SIZE(object))});
  } else if (is_canonical_key(object)) {  // A default, as it was when it was read.
    bytes_.append(as_canonical_key(object).view());
    names_main_ |= as_canonical_key(object).names_main;
  } else {
    return false;
  }
  return true;
}

bool Canonical::append_compound(PyObject* object, PyTypeObject* type) {
  if (type == &PyTuple_Type) {
    cbor::append_tag(bytes_, cbor::tuple_tag);
    return append_items(&PyTuple_GET_ITEM(object, 0), PyTuple_GET_SIZE(object));
  }
  if (type == &PyList_Type) return append_list(object);
  if (type == &PyDict_Type) return append_dict(object);
  if (type == &PySet_Type) return append_set(object, false);
  if (type == &PyFrozenSet_Type) return append_set(object, true);
  return append_other(object, type);
}

bool Canonical::append_items(PyObject* const* items, Py_ssize_t count) {
  append_array_head(count);
  for (Py_ssize_t i = 0; i < count; ++i) {
    if (!append(items[i])) return false;
  }
  return true;
}

bool Canonical::append_list(PyObject* list) {
  const Py_ssize_t size = PyList_GET_SIZE(list);
  append_array_head(size);
  for (Py_ssize_t i = 0; i < size; ++i) {
    if (PyList_GET_SIZE(list) != size) raise_changed();
    if (!append(PyList_GET_ITEM(list, i))) return false;
  }
  return true;
}

bool Canonical::append_set(PyObject* set, bool frozen) {
  const Py_ssize_t size = PySet_GET_SIZE(set);
  cbor::append_tag(bytes_, frozen ? cbor::frozenset_tag : cbor::set_tag);
  append_array_head(size);
  Ends ends(size, bytes_.size());
  const bool all = each_of_set(set, [&](PyObject* item) {
    if (!append(item)) return false;
    ends.add(bytes_.size());
    return true;
  });
  if (all) ends.sort(bytes_);
  return all;
}

bool Canonical::append_dict(PyObject* dict) {
  const Py_ssize_t size = PyDict_GET_SIZE(dict);
  cbor::append_head(bytes_, Major::map, static_cast<std::uint64_t>(size));
  Ends ends(size, bytes_.size());
  PyObject *key = nullptr, *value = nullptr;
  for (Py_ssize_t at = 0; PyDict_Next(dict, &at, &key, &value) != 0;) {
    const Object held = Object::shared(value);
    if (!append(key) || !append(value)) return false;
    ends.add(bytes_.size());
  }
  ends.sort(bytes_);
  return true;
}

Object canonical_key(PyObject* object) {
  Canonical canonical;
  if (!canonical.append(object)) return Object();
  return make_canonical_key(canonical.bytes(), canonical.names_main());
}

}  // namespace dcache::python
