// SPDX-License-Identifier: MIT
#include "dcache/codec.hpp"

#include <cstring>

namespace dcache {
namespace {

using engine::cbor::Head;
using engine::cbor::Major;

constexpr std::uint64_t high_bits = 0x8080808080808080U;

// How many bytes the character at `at` takes, 0 if it is none (RFC 3629, section 4).
std::size_t length_of_character(const unsigned char* at, std::size_t left) noexcept {
  const unsigned first = at[0];
  const auto follows = [&](std::size_t i) { return i < left && (at[i] & 0xC0U) == 0x80U; };
  if (first < 0x80) return 1;
  if (first < 0xC2) return 0;
  if (first < 0xE0) return follows(1) ? 2 : 0;
  if (first < 0xF0) {
    if (!follows(1) || !follows(2)) return 0;
    if (first == 0xE0 && at[1] < 0xA0) return 0;
    return first == 0xED && at[1] > 0x9F ? 0 : 3;  // No surrogates.
  }
  if (first > 0xF4 || !follows(1) || !follows(2) || !follows(3)) return 0;
  if (first == 0xF0 && at[1] < 0x90) return 0;
  return first == 0xF4 && at[1] > 0x8F ? 0 : 4;
}

bool is_utf8(std::string_view text) noexcept {
  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  std::size_t left = text.size();
  while (left > 0) {
    std::uint64_t word = 0;
    if (left >= sizeof word) {
      std::memcpy(&word, at, sizeof word);
      if ((word & high_bits) == 0) {
        at += sizeof word;
        left -= sizeof word;
        continue;
      }
    }
    const std::size_t length = length_of_character(at, left);
    if (length == 0) return false;
    at += length;
    left -= length;
  }
  return true;
}

}  // namespace

void Encoder::real(double value) {
  if (form_ == Form::key) return engine::cbor::append_double(out_, value);
  engine::cbor::append_binary64(out_, value);
}

void Encoder::text(std::string_view text) {
  if (is_utf8(text)) return engine::cbor::append_text(out_, text);
  engine::cbor::append_bytes(out_, text);
}

bool Decoder::null() noexcept {
  Head head;
  return reader_.read(head) && (head.is_null() || fail());
}

bool Decoder::boolean(bool& value) noexcept {
  Head head;
  if (!reader_.read(head)) return false;
  value = head.is_true();
  return value || head.is_false() || fail();
}

bool Decoder::integer(std::int64_t& value) noexcept {
  Head head;
  if (!reader_.read(head)) return false;
  if (head.major > Major::negative || head.value > std::uint64_t{INT64_MAX}) return fail();
  const auto natural = static_cast<std::int64_t>(head.value);
  value = head.major == Major::negative ? -1 - natural : natural;
  return true;
}

bool Decoder::natural(std::uint64_t& value) noexcept {
  Head head;
  if (!reader_.read(head)) return false;
  value = head.value;
  return head.major == Major::natural || fail();
}

bool Decoder::real(double& value) noexcept {
  Head head;
  if (!reader_.read(head)) return false;
  if (!head.is_float()) return fail();
  value = engine::cbor::float_of(head);
  return true;
}

bool Decoder::text(std::string_view& text) noexcept {
  Head head;
  if (!reader_.read(head)) return false;
  if (head.major != Major::text && head.major != Major::bytes) return fail();
  if (!reader_.take(head, text)) return false;
  // Bytes are what was no text.
  return is_utf8(text) == (head.major == Major::text) || fail();
}

bool Decoder::bytes(std::string_view& bytes) noexcept {
  Head head;
  if (!reader_.read(head)) return false;
  if (head.major != Major::bytes) return fail();
  return reader_.take(head, bytes);
}

bool Decoder::tag(std::uint64_t tag) noexcept {
  Head head;
  return reader_.read(head) && ((head.major == Major::tag && head.value == tag) || fail());
}

bool Decoder::tagged_array(std::uint64_t expected_tag, std::size_t expected_items) noexcept {
  std::size_t items = 0;
  return tag(expected_tag) && array(items) && (items == expected_items || fail());
}

bool Decoder::count(Major major, std::size_t& items) noexcept {
  Head head;
  if (!reader_.read(head)) return false;
  items = static_cast<std::size_t>(head.value);
  return head.major == major || fail();
}

bool Decoder::null_is_next() const noexcept { return next().is_null(); }

Head Decoder::next() const noexcept {
  Head head;
  return reader_.peek(head) ? head : Head{Major::simple, 31, 0};
}

}  // namespace dcache
