// SPDX-License-Identifier: MIT
/// Texts that were read as keys of dicts: the same few come again and again. Guarded by the
/// interpreter's lock.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

#include "object.hpp"

namespace dcache::python {

bool is_ascii(std::string_view bytes) noexcept;
/// REQUIRES: these are ASCII. Throws `Raised` when there is no memory.
Object ascii_text(std::string_view bytes);

/// Without it decoding a list of small dicts takes a third longer. Direct-mapped; holds what it
/// knows for good.
class KnownKeys {
 public:
  static constexpr std::size_t shortest = 2;
  static constexpr std::size_t longest = 32;

  /// The text of so many bytes, `shortest` to `longest`; empty if it is not ASCII.
  Object of(std::string_view bytes) {
    const auto [first, last] = ends_of(bytes);
    Known& known = all_[(first * 0x9E3779B97F4A7C15U ^ last * 0xC4CEB9FE1A85EC53U) >> 53U];
    // The ends are all of it up to 16 bytes.
    if (known.first == first && known.last == last && known.size == bytes.size() &&
        (bytes.size() <= 16 ||
         std::memcmp(PyUnicode_1BYTE_DATA(known.text.get()), bytes.data(), bytes.size()) == 0)) {
      return known.text;
    }
    if (!is_ascii(bytes)) return Object();
    Object text = ascii_text(bytes);
    PyObject_Hash(text.get());  // Kept in it.
    known = {first, last, bytes.size(), text};
    return text;
  }

 private:
  struct Known {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::size_t size = 0;
    Object text;
  };
  static constexpr std::size_t slots = 1U << (64U - 53U);

  // The first and the last bytes, which overlap in what is short. In whole words: a load of what
  // was stored in parts would wait for all of them.
  static std::pair<std::uint64_t, std::uint64_t> ends_of(std::string_view bytes) noexcept {
    const char* const begin = bytes.data();
    const char* const end = begin + bytes.size();
    if (bytes.size() >= 8) return {load<std::uint64_t>(begin), load<std::uint64_t>(end - 8)};
    if (bytes.size() >= 4) return {load<std::uint32_t>(begin), load<std::uint32_t>(end - 4)};
    return {load<std::uint16_t>(begin), load<std::uint16_t>(end - 2)};
  }
  template <class Word>
  static Word load(const char* at) noexcept {
    Word word = 0;
    std::memcpy(&word, at, sizeof word);
    return word;
  }

  std::array<Known, slots> all_;
};

/// That of the process. Never destroyed.
KnownKeys& known_keys();

}  // namespace dcache::python
