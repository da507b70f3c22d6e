// SPDX-License-Identifier: MIT
/// Texts that were read as keys of dicts: the same few come again and again. Guarded by the
/// interpreter's lock.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "object.hpp"
#include "short_text.hpp"

namespace dcache::python {

bool is_ascii(std::string_view bytes) noexcept;
/// REQUIRES: these are ASCII. Throws `Raised` when there is no memory.
Object ascii_text(std::string_view bytes);

/// Without it decoding a list of small dicts takes a third longer. Two places for each; holds what
/// it knows for good: at most half a megabyte.
class KnownKeys {
 public:
  static constexpr std::size_t shortest = 2;
  static constexpr std::size_t longest = 32;

  /// The text of so many bytes, `shortest` to `longest`: a reference, or null if they are not
  /// ASCII. `readable`: how many may be read where they begin. Throws `Raised` when there is no
  /// memory.
  PyObject* of(std::string_view bytes, std::size_t readable) {
    const ShortBytes ends = ends_of(bytes, readable);
    const std::uint64_t mixed = ends.first * 0x9E3779B97F4A7C15U ^ ends.last * 0xC4CEB9FE1A85EC53U;
    Known* const places = &all_[2 * (mixed >> (64U - set_bits))];
    if (places[0].is(ends, bytes)) return Py_NewRef(places[0].text.get());
    if (places[1].is(ends, bytes)) return Py_NewRef(places[1].text.get());
    return learn(places[turn_++ % 2], ends, bytes);
  }

 private:
  struct Known {
    // The ends are all of it up to 16 bytes.
    bool is(const ShortBytes& other, std::string_view bytes) const noexcept {
      return ends == other && size == bytes.size() &&
             (bytes.size() <= ShortBytes::longest ||
              std::memcmp(PyUnicode_1BYTE_DATA(text.get()), bytes.data(), bytes.size()) == 0);
    }

    ShortBytes ends;
    std::size_t size = 0;
    Object text;
  };
  static constexpr unsigned set_bits = 11;

  // Of what is not short the first and the last bytes.
  static ShortBytes ends_of(std::string_view bytes, std::size_t readable) noexcept {
    if (bytes.size() <= ShortBytes::longest) {
      return ShortBytes::of(bytes.data(), bytes.size(), readable);
    }
    const char* const begin = bytes.data();
    return {ShortBytes::load(begin), ShortBytes::load(begin + bytes.size() - 8)};
  }
  static PyObject* learn(Known& known, const ShortBytes& ends, std::string_view bytes);

  alignas(64) std::array<Known, 2U << set_bits> all_;  // Both places in one cache line.
  unsigned turn_ = 0;
};

/// That of the process. Never destroyed.
KnownKeys& known_keys();

}  // namespace dcache::python
