// SPDX-License-Identifier: MIT
/// Bytes that grow, and become an object of the interpreter without being copied once they are
/// many.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "dcache/engine/cbor.hpp"

#include "object.hpp"

namespace dcache::python {

/// `std::memcpy`, also where that is slow: beyond the size of a second-level cache that of glibc
/// takes another way, which takes a sixth longer. 1 MB: 15 us, not 17.
inline void copy(char* to, const void* from, std::size_t size) noexcept {
  constexpr std::size_t piece = 256 * 1024;
  const char* at = static_cast<const char*>(from);
  for (; size > piece; to += piece, at += piece, size -= piece) std::memcpy(to, at, piece);
  std::memcpy(to, at, size);
}

/// Guarded by the interpreter's lock. What allocates throws `Raised` when there is no memory.
class ByteBuffer {
 public:
  using Major = engine::cbor::Major;

  ByteBuffer() noexcept : begin_(few_), at_(few_), end_(few_ + sizeof few_) {}
  ByteBuffer(const ByteBuffer&) = delete;
  ByteBuffer& operator=(const ByteBuffer&) = delete;

  // Writing through `at_` itself would read it again after each byte: a `char` may be anything.
  void byte(unsigned value) {
    reserve(1);
    *at_++ = static_cast<char>(value);
  }
  void append(const void* bytes, std::size_t size) {
    reserve(size);
    copy(at_, bytes, size);
    at_ += size;
  }
  void append(std::string_view bytes) { append(bytes.data(), bytes.size()); }

  /// A head, and room for `more` bytes after it.
  void head(Major major, std::uint64_t value, std::size_t more = 0) {
    reserve(9 + more);
    char* const at = at_;
    const unsigned type = static_cast<unsigned>(major) << 5U;
    if (value < 24) {
      at[0] = static_cast<char>(type | value);
      at_ = at + 1;
    } else if (value <= 0xFF) {
      at[0] = static_cast<char>(type | 24U);
      at[1] = static_cast<char>(value);
      at_ = at + 2;
    } else {
      long_head(type, value);
    }
  }
  /// A head of bytes or text, and these.
  void run(Major major, const void* bytes, std::size_t size) {
    head(major, size, size);
    copy(at_, bytes, size);
    at_ += size;
  }
  /// The same, without a branch on the size, for bytes before which there are `Word`s that may be
  /// read. REQUIRES: `size` is 1 to 16.
  void short_run(Major major, const char* bytes, std::size_t size) {
    using Word = std::uint64_t;
    reserve(1 + 2 * sizeof(Word));
    // The first and the last 8 bytes; of less than 8, these twice.
    const std::size_t few = std::min(size, sizeof(Word));
    const std::size_t many = std::max(size, sizeof(Word));
    const auto surplus = static_cast<unsigned>(8 * (sizeof(Word) - few));
    Word first = 0, last = 0;
    std::memcpy(&first, bytes + few - sizeof first, sizeof first);
    std::memcpy(&last, bytes + size - sizeof last, sizeof last);
    if constexpr (std::endian::native == std::endian::little) {
      first >>= surplus;
      last >>= surplus;
    } else {
      first <<= surplus;
      last <<= surplus;
    }
    char* const at = at_;
    *at = static_cast<char>(static_cast<unsigned>(major) << 5U | size);
    std::memcpy(at + 1, &first, sizeof first);
    std::memcpy(at + 1 + many - sizeof last, &last, sizeof last);
    at_ = at + 1 + size;
  }
  /// A number, without a branch on its size beyond the first: those of a list are of all sizes.
  void integer(std::int64_t value) {
    reserve(9);
    char* const at = at_;
    const std::uint64_t sign = value < 0 ? ~std::uint64_t{0} : 0;
    const std::uint64_t magnitude = static_cast<std::uint64_t>(value) ^ sign;  // -1 - n below zero.
    const auto type = static_cast<unsigned>(sign & 0x20U);
    if (magnitude < 24) {
      *at = static_cast<char>(type | magnitude);
      at_ = at + 1;
      return;
    }
    const unsigned size = (magnitude > 0xFF) + (magnitude > 0xFFFF) + (magnitude > 0xFFFFFFFF);
    const unsigned width = 1U << size;
    const std::uint64_t bits = engine::cbor::big_endian(magnitude << (64U - 8U * width));
    *at = static_cast<char>(type | (24U + size));
    std::memcpy(at + 1, &bits, sizeof bits);
    at_ = at + 1 + width;
  }
  void binary64(double value) {
    reserve(9);
    char* const at = at_;
    *at = '\xFB';
    const std::uint64_t bits = engine::cbor::big_endian(std::bit_cast<std::uint64_t>(value));
    std::memcpy(at + 1, &bits, sizeof bits);
    at_ = at + 1 + sizeof bits;
  }

  /// All of it as `bytes`; the buffer must not be used after that.
  Object take();

 private:
  void reserve(std::size_t more) {
    if (static_cast<std::size_t>(end_ - at_) < more) [[unlikely]]
      grow(more);
  }
  void grow(std::size_t more);
  void long_head(unsigned type, std::uint64_t value) noexcept {
    const unsigned info = value <= 0xFFFF ? 25U : value <= 0xFFFFFFFFU ? 26U : 27U;
    const unsigned width = 1U << (info - 24U);
    const std::uint64_t bits = engine::cbor::big_endian(value << (64U - 8U * width));
    char* const at = at_;
    *at = static_cast<char>(type | info);
    std::memcpy(at + 1, &bits, sizeof bits);
    at_ = at + 1 + width;
  }

  char few_[1024];
  Object many_;
  char* begin_;
  char* at_;
  char* end_;
};

/// Text of the interpreter, as `append_text` writes it.
void write_text_beyond_ascii(ByteBuffer& out, PyObject* text);
inline void write_text(ByteBuffer& out, PyObject* text) {
  if (PyUnicode_IS_COMPACT_ASCII(text) == 0) return write_text_beyond_ascii(out, text);
  const auto* const object = reinterpret_cast<PyASCIIObject*>(text);
  const auto size = static_cast<std::size_t>(object->length);
  const auto* const bytes = reinterpret_cast<const char*>(object + 1);  // After the object.
  if (size - 1 < 16) return out.short_run(engine::cbor::Major::text, bytes, size);
  out.run(engine::cbor::Major::text, bytes, size);
}

}  // namespace dcache::python
