// SPDX-License-Identifier: MIT
/// Bytes that grow, and become an object of the interpreter without being copied once they are
/// many.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "dcache/engine/cbor.hpp"

#include "object.hpp"

namespace dcache::python {

/// Guarded by the interpreter's lock. What allocates throws `Raised` when there is no memory.
class ByteBuffer {
 public:
  using Major = engine::cbor::Major;

  ByteBuffer() noexcept : begin_(few_), at_(few_), end_(few_ + sizeof few_) {}
  ByteBuffer(const ByteBuffer&) = delete;
  ByteBuffer& operator=(const ByteBuffer&) = delete;

  void byte(unsigned value) {
    reserve(1);
    *at_++ = static_cast<char>(value);
  }
  void append(const void* bytes, std::size_t size) {
    reserve(size);
    std::memcpy(at_, bytes, size);
    at_ += size;
  }
  void append(std::string_view bytes) { append(bytes.data(), bytes.size()); }

  /// A head, and room for `more` bytes after it.
  void head(Major major, std::uint64_t value, std::size_t more = 0) {
    reserve(9 + more);
    const unsigned type = static_cast<unsigned>(major) << 5U;
    if (value < 24) {
      *at_++ = static_cast<char>(type | value);
    } else if (value <= 0xFF) {
      *at_++ = static_cast<char>(type | 24U);
      *at_++ = static_cast<char>(value);
    } else {
      long_head(type, value);
    }
  }
  /// A head of bytes or text, and these.
  void run(Major major, const void* bytes, std::size_t size) {
    head(major, size, size);
    std::memcpy(at_, bytes, size);
    at_ += size;
  }
  /// A number, without a branch on its size beyond the first: those of a list are of all sizes.
  void integer(std::int64_t value) {
    reserve(9);
    const std::uint64_t sign = value < 0 ? ~std::uint64_t{0} : 0;
    const std::uint64_t magnitude = static_cast<std::uint64_t>(value) ^ sign;  // -1 - n below zero.
    const auto type = static_cast<unsigned>(sign & 0x20U);
    if (magnitude < 24) {
      *at_++ = static_cast<char>(type | magnitude);
      return;
    }
    const unsigned size = (magnitude > 0xFF) + (magnitude > 0xFFFF) + (magnitude > 0xFFFFFFFF);
    const unsigned width = 1U << size;
    const std::uint64_t bits = engine::cbor::big_endian(magnitude << (64U - 8U * width));
    *at_ = static_cast<char>(type | (24U + size));
    std::memcpy(at_ + 1, &bits, sizeof bits);
    at_ += 1 + width;
  }
  void binary64(double value) {
    reserve(9);
    *at_++ = '\xFB';
    const std::uint64_t bits = engine::cbor::big_endian(std::bit_cast<std::uint64_t>(value));
    std::memcpy(at_, &bits, sizeof bits);
    at_ += sizeof bits;
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
    *at_++ = static_cast<char>(type | info);
    const std::uint64_t bits = engine::cbor::big_endian(value << (64U - 8U * width));
    std::memcpy(at_, &bits, width);
    at_ += width;
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
  out.run(engine::cbor::Major::text, PyUnicode_1BYTE_DATA(text),
          static_cast<std::size_t>(PyUnicode_GET_LENGTH(text)));
}

}  // namespace dcache::python
