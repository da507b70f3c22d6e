// SPDX-License-Identifier: MIT
#include "byte_buffer.hpp"

#include <algorithm>
#include <string>

#include "canonical_atoms.hpp"

namespace dcache::python {

void ByteBuffer::grow(std::size_t more) {
  const auto size = static_cast<std::size_t>(at_ - begin_);
  const auto room = static_cast<std::size_t>(end_ - begin_);
  const std::size_t wanted = std::max(2 * room, size + more + more / 8 + 64);
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
