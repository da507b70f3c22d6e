// SPDX-License-Identifier: MIT
#include "known_keys.hpp"

namespace dcache::python {

bool is_ascii(std::string_view bytes) noexcept {
  std::uint64_t all = 0;
  std::size_t at = 0;
  for (; at + sizeof all <= bytes.size(); at += sizeof all) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, sizeof word);
    all |= word;
  }
  for (; at < bytes.size(); ++at) all |= static_cast<unsigned char>(bytes[at]);
  return (all & 0x8080808080808080U) == 0;
}

Object ascii_text(std::string_view bytes) {
  Object text = Object::checked(PyUnicode_New(static_cast<Py_ssize_t>(bytes.size()), 127));
  std::memcpy(PyUnicode_1BYTE_DATA(text.get()), bytes.data(), bytes.size());
  return text;
}

[[gnu::noinline]] PyObject* KnownKeys::learn(Known& known, const ShortBytes& ends,
                                             std::string_view bytes) {
  Object text;
  if (bytes.size() < ShortBytes::longest) {
    if (!ends.is_ascii()) return nullptr;
    text = Object::owned(short_text(ends, bytes.size()));
  } else {
    if (!is_ascii(bytes)) return nullptr;
    text = ascii_text(bytes);
  }
  PyObject_Hash(text.get());  // Kept in it.
  known = {ends, bytes.size(), text};
  return text.release();
}

KnownKeys& known_keys() {
  static auto* const known = new KnownKeys;
  return *known;
}

}  // namespace dcache::python
