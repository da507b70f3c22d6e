// SPDX-License-Identifier: MIT
/// Reading CBOR (RFC 8949) that somebody else may have written, or damaged.
///
/// A cursor over bytes: knows no tree, copies nothing, allocates nothing, throws nothing, and never
/// looks outside of its bytes. Accepts what `cbor.hpp` writes: definite lengths, heads in their
/// shortest form; floats of any width. After the first refusal it has failed for good.
///
/// Nobody is promised more items than there are bytes left for: the sum of all items that were
/// announced and have not come yet is held against what remains, so that nested heads with huge
/// counts end at the second one and not after a quadratic walk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "dcache/engine/cbor.hpp"

namespace dcache::engine::cbor {

/// A head: what comes, and its value, length, or number of items (pairs in a map). Of a simple
/// value or float `info` is the width: 25, 26 and 27 for floats, whose bits are `value`.
struct Head {
  Major major = Major::natural;
  std::uint8_t info = 0;
  std::uint64_t value = 0;

  bool is_false() const noexcept { return major == Major::simple && value == 20 && info < 24; }
  bool is_true() const noexcept { return major == Major::simple && value == 21 && info < 24; }
  bool is_null() const noexcept { return major == Major::simple && value == 22 && info < 24; }
  bool is_float() const noexcept { return major == Major::simple && info >= 25; }
};

/// REQUIRES: `head.is_float()`.
double float_of(const Head& head) noexcept;

class Reader {
 public:
  explicit Reader(std::string_view bytes) noexcept
      : begin_(bytes.data()), at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  /// The next head. False: there is none, or none that may stand here.
  bool read(Head& head) noexcept {
    if (at_ == end_) return fail_short();
    const auto first = static_cast<unsigned char>(*at_++);
    head.major = static_cast<Major>(first >> 5U);
    head.info = first & 31U;
    head.value = head.info;
    if (head.info >= 24 && !read_value(head)) return false;
    if (outstanding_ > 0) --outstanding_;
    if (head.major < Major::array) return true;
    return read_compound(head);
  }
  /// The head that `read` would give; the reader stays where it is.
  bool peek(Head& head) const noexcept { return Reader(*this).read(head); }

  /// The bytes after a head of bytes or text; REQUIRES: it was the last that was read.
  bool take(const Head& head, std::string_view& bytes) noexcept {
    if (head.value > left()) return fail_short();
    bytes = {at_, static_cast<std::size_t>(head.value)};
    at_ += head.value;
    return true;
  }

  /// Passes one whole item, however deep, in time linear in its bytes.
  bool skip() noexcept;

  bool at_end() const noexcept { return at_ == end_; }
  bool failed() const noexcept { return failed_; }
  /// It failed because more was announced than there is.
  bool ran_out() const noexcept { return ran_out_; }
  std::size_t left() const noexcept { return static_cast<std::size_t>(end_ - at_); }
  /// How many bytes have been read.
  std::size_t position() const noexcept { return static_cast<std::size_t>(at_ - begin_); }

  /// Refuses what was read, for a reason of the caller's. Always false.
  bool fail() noexcept {
    failed_ = true;
    at_ = end_;
    return false;
  }

 private:
  bool fail_short() noexcept {
    ran_out_ = ran_out_ || !failed_;
    return fail();
  }
  bool read_value(Head& head) noexcept {
    if (head.info > 27) return fail();
    const unsigned width = 1U << (head.info - 24U);
    if (left() < width) return fail_short();
    std::uint64_t value = 0;
    if (left() >= sizeof value) [[likely]] {  // One load and a shift.
      std::memcpy(&value, at_, sizeof value);
      value = big_endian(value) >> (64U - 8U * width);
    } else {
      for (unsigned i = 0; i < width; ++i) value = value << 8U | static_cast<unsigned char>(at_[i]);
    }
    at_ += width;
    head.value = value;
    // A simple value of one byte is none that we know.
    if (head.major == Major::simple) return head.info > 24 || fail();
    const std::uint64_t least = head.info == 24 ? 24 : std::uint64_t{1} << (4U * width);
    return value >= least || fail();
  }
  bool read_compound(const Head& head) noexcept {
    std::uint64_t items = 0;
    if (head.major == Major::array) {
      items = head.value;
    } else if (head.major == Major::map) {
      if (head.value > left()) return fail_short();
      items = 2 * head.value;
    } else if (head.major == Major::tag) {
      items = 1;
    }
    if (items > left() || outstanding_ + items > left()) return fail_short();
    outstanding_ += items;
    return true;
  }

  const char* begin_;
  const char* at_;
  const char* end_;
  std::uint64_t outstanding_ = 0;
  bool failed_ = false;
  bool ran_out_ = false;
};

}  // namespace dcache::engine::cbor
