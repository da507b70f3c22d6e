// SPDX-License-Identifier: MIT
/// Writing CBOR (RFC 8949) as keys are written: deterministically (section 4.2), one value one
/// form.
///
/// Appends to a string of bytes; knows no tree. Who writes an array, a map or a tag writes the
/// items after the head himself, in the order of their encoded bytes where order does not count.
/// Throws only std::bad_alloc and std::length_error. Not thread-safe for one string.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dcache::engine::cbor {

/// The major types of section 3.1.
enum class Major : std::uint8_t { natural, negative, bytes, text, array, map, tag, simple };

/// Between a number and how its eight bytes stand in CBOR, most significant first.
inline std::uint64_t big_endian(std::uint64_t number) noexcept {
  return std::endian::native == std::endian::little ? __builtin_bswap64(number) : number;
}

/// A head whose value does not fit into its first byte.
void append_long_head(std::string& out, Major major, std::uint64_t value);

/// The head of an item: its type, and its value, length, or number of items (pairs in a map).
inline void append_head(std::string& out, Major major, std::uint64_t value) {
  if (value >= 24) return append_long_head(out, major, value);
  out.push_back(static_cast<char>(static_cast<unsigned>(major) << 5U | value));
}

inline void append_int(std::string& out, std::int64_t value) {
  const auto bits = static_cast<std::uint64_t>(value);
  append_head(out, value < 0 ? Major::negative : Major::natural, value < 0 ? ~bits : bits);
}
/// A number beyond 64 bits or not: `magnitude`, most significant byte first, leading zeros allowed,
/// of a natural n, or of n where the number is -1 - n.
void append_bignum(std::string& out, bool negative, std::span<const unsigned char> magnitude);
/// In the shortest form that keeps the value. There is one NaN; 0.0 and -0.0 are two.
void append_double(std::string& out, double value);
/// In 64 bits, whatever it is: the bits come back as they were.
void append_binary64(std::string& out, double value);
inline void append_text(std::string& out, std::string_view utf8) {
  append_head(out, Major::text, utf8.size());
  out.append(utf8);
}
inline void append_bytes(std::string& out, std::string_view bytes) {
  append_head(out, Major::bytes, bytes.size());
  out.append(bytes);
}
inline void append_tag(std::string& out, std::uint64_t tag) { append_head(out, Major::tag, tag); }
inline void append_bool(std::string& out, bool value) { out.push_back(value ? '\xF5' : '\xF4'); }
inline void append_null(std::string& out) { out.push_back('\xF6'); }

/// Orders what stands in `out` from `ends.front()` on: `ends` says where the items begin, and where
/// the last one ends. In a map an item is a key with its value: since no item is the beginning of
/// another, that is the order of the keys.
void sort_items(std::string& out, std::span<const std::size_t> ends);

}  // namespace dcache::engine::cbor
