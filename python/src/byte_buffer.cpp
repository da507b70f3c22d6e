// SPDX-License-Identifier: MIT
#include "byte_buffer.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

#include "canonical_atoms.hpp"

namespace dcache::python {

namespace {
constexpr std::size_t spare = 64;  // For the items after a large one.
}

void ByteBuffer::grow(std::size_t more) {
  const auto size = static_cast<std::size_t>(at_ - begin_);
  const auto room = static_cast<std::size_t>(end_ - begin_);
  // One large run gets what it needs: what was larger and is cut before it is given away is mapped
  // anew by glibc each time. 1 MB: 475 us, not 17.
  const std::size_t wanted = std::max(2 * room, size + more + spare);
  if (wanted > static_cast<std::size_t>(PY_SSIZE_T_MAX)) {
    PyErr_NoMemory();
    throw Raised();
  }
  if (!many_) {
    many_ = Object::checked(PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(wanted)));
    std::memcpy(PyBytes_AS_STRING(many_.get()), begin_, size);
  } else {
    PyObject* moved = many_.release();
    const int failed = _PyBytes_Resize(&moved, static_cast<Py_ssize_t>(wanted));
    many_ = Object::owned(moved);
    if (failed != 0) throw Raised();
  }
  begin_ = PyBytes_AS_STRING(many_.get());
  at_ = begin_ + size;
  end_ = begin_ + wanted;
}

Object ByteBuffer::take() {
  const auto size = static_cast<Py_ssize_t>(at_ - begin_);
  if (!many_) return Object::checked(PyBytes_FromStringAndSize(begin_, size));
  if (end_ - at_ <= static_cast<std::ptrdiff_t>(2 * spare)) {
    // Nobody has seen it yet. To give a few bytes back would cost a tenth of 100 KB.
    Py_SET_SIZE(reinterpret_cast<PyVarObject*>(many_.get()), size);
    *at_ = '\0';  // There is always one more.
    return std::move(many_);
  }
  PyObject* moved = many_.release();
  if (_PyBytes_Resize(&moved, size) != 0) throw Raised();
  return Object::owned(moved);
}

void write_text_beyond_ascii(ByteBuffer& out, PyObject* text) {
  std::string bytes;
  append_text(text, bytes);
  out.append(bytes);
}

}  // namespace dcache::python
