// SPDX-License-Identifier: MIT
/// Texts of few characters: what most keys and many values are. Made, compared and judged a word
/// at a time, since their lengths are of no pattern that a processor could foresee.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "object.hpp"

namespace dcache::python {

/// Up to 16 bytes as two words, of which the rest is zero.
struct ShortBytes {
  static constexpr std::size_t longest = 16;

  /// `readable`: how many may be read from there on. REQUIRES: `size` is at most `longest`, and at
  /// most `readable`.
  static ShortBytes of(const char* bytes, std::size_t size, std::size_t readable) noexcept {
    if (readable < longest) [[unlikely]] {
      std::array<char, longest> copied{};
      std::memcpy(copied.data(), bytes, size);
      return {load(copied.data()), load(copied.data() + 8)};
    }
    // 16 bytes that are kept, and then 16 that are not.
    static constexpr std::array<char, 2 * longest> kept = {-1, -1, -1, -1, -1, -1, -1, -1,
                                                           -1, -1, -1, -1, -1, -1, -1, -1};
    const char* const mask = kept.data() + longest - size;
    return {load(bytes) & load(mask), load(bytes + 8) & load(mask + 8)};
  }

  bool operator==(const ShortBytes&) const noexcept = default;
  bool is_ascii() const noexcept { return ((first | last) & 0x8080808080808080U) == 0; }

  static std::uint64_t load(const char* at) noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    return word;
  }

  std::uint64_t first = 0;
  std::uint64_t last = 0;
};

/// A reference to a text of ASCII of 1 to 15 characters. Throws `Raised` when there is no memory.
inline PyObject* short_text(const ShortBytes& bytes, std::size_t size) {
  // Made a little longer: the interpreter's allocator gives both as much.
  const bool tiny = size < 8;
  PyObject* const text = PyUnicode_New(tiny ? 7 : 15, 127);
  if (text == nullptr) throw Raised();
  auto* const object = reinterpret_cast<PyASCIIObject*>(text);
  object->length = static_cast<Py_ssize_t>(size);
  auto* const characters = reinterpret_cast<char*>(object + 1);
  const std::uint64_t last = tiny ? bytes.first : bytes.last;
  std::memcpy(characters, &bytes.first, sizeof bytes.first);
  std::memcpy(characters + (tiny ? 0 : 8), &last, sizeof last);
  return text;
}

}  // namespace dcache::python
