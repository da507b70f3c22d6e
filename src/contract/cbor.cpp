// SPDX-License-Identifier: MIT
#include "dcache/engine/cbor.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

namespace dcache::engine::cbor {
namespace {

constexpr std::uint64_t positive_bignum = 2;
constexpr std::uint64_t negative_bignum = 3;

void append_big_endian(std::string& out, std::uint64_t value, unsigned width) {
  for (unsigned at = width; at-- > 0;) out.push_back(static_cast<char>(value >> (8 * at)));
}

// The bits of a half, if it holds this value. 15 bits of the single's exponent bias are 112 more.
bool as_half(float value, std::uint16_t& half) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits >> 16U & 0x8000U;
  const auto exponent = static_cast<int>(bits >> 23U & 0xFFU) - 127;
  const std::uint32_t fraction = bits & 0x7FFFFFU;
  if (exponent == 128) {  // Infinite: there is one NaN, and it does not come here.
    half = static_cast<std::uint16_t>(sign | 0x7C00U);
    return true;
  }
  if (exponent == -127 && fraction == 0) {
    half = static_cast<std::uint16_t>(sign);
    return true;
  }
  if (exponent > 15 || exponent < -24) return false;
  if (exponent >= -14) {
    if ((fraction & 0x1FFFU) != 0) return false;
    half = static_cast<std::uint16_t>(sign | static_cast<unsigned>(exponent + 15) << 10U |
                                      fraction >> 13U);
    return true;
  }
  // Below the normal ones of a half: its fraction counts in units of 2^-24.
  const std::uint32_t whole = fraction | 0x800000U;
  const auto shift = static_cast<unsigned>(-exponent - 1);
  if ((whole & ((1U << shift) - 1U)) != 0) return false;
  half = static_cast<std::uint16_t>(sign | whole >> shift);
  return true;
}

}  // namespace

void append_long_head(std::string& out, Major major, std::uint64_t value) {
  const auto push = [&](unsigned info, unsigned width) {
    std::array<char, 9> head;
    head.front() = static_cast<char>(static_cast<unsigned>(major) << 5U | info);
    for (unsigned at = 0; at < width; ++at) {
      head[width - at] = static_cast<char>(value >> (8 * at));
    }
    out.append(head.data(), width + 1);
  };
  if (value <= 0xFF) return push(24, 1);
  if (value <= 0xFFFF) return push(25, 2);
  if (value <= 0xFFFFFFFF) return push(26, 4);
  push(27, 8);
}

void append_bignum(std::string& out, bool negative, std::span<const unsigned char> magnitude) {
  while (!magnitude.empty() && magnitude.front() == 0) magnitude = magnitude.subspan(1);
  if (magnitude.size() <= 8) {
    std::uint64_t value = 0;
    for (const unsigned char digit : magnitude) value = value << 8U | digit;
    return append_head(out, negative ? Major::negative : Major::natural, value);
  }
  append_tag(out, negative ? negative_bignum : positive_bignum);
  append_head(out, Major::bytes, magnitude.size());
  out.append(magnitude.begin(), magnitude.end());
}

void append_double(std::string& out, double value) {
  if (std::isnan(value)) {
    out.append("\xF9\x7E\x00", 3);
    return;
  }
  const auto single = static_cast<float>(value);
  if (std::bit_cast<std::uint64_t>(static_cast<double>(single)) !=
      std::bit_cast<std::uint64_t>(value)) {
    return append_binary64(out, value);
  }
  std::uint16_t half = 0;
  if (as_half(single, half)) {
    out.push_back('\xF9');
    return append_big_endian(out, half, 2);
  }
  out.push_back('\xFA');
  append_big_endian(out, std::bit_cast<std::uint32_t>(single), 4);
}

void append_binary64(std::string& out, double value) {
  out.push_back('\xFB');
  append_big_endian(out, std::bit_cast<std::uint64_t>(value), 8);
}

void sort_items(std::string& out, std::span<const std::size_t> ends) {
  const std::string_view all = out;
  const auto item = [&](std::size_t at) { return all.substr(ends[at], ends[at + 1] - ends[at]); };
  std::size_t sorted_items = 1;
  while (sorted_items + 1 < ends.size() && item(sorted_items - 1) <= item(sorted_items)) {
    ++sorted_items;
  }
  if (sorted_items + 1 >= ends.size()) return;
  std::vector<std::string_view> items;
  items.reserve(ends.size() - 1);
  for (std::size_t at = 0; at + 1 < ends.size(); ++at) items.push_back(item(at));
  std::sort(items.begin(), items.end());
  std::string sorted;
  sorted.reserve(out.size() - ends.front());
  for (const std::string_view each : items) sorted += each;
  std::memcpy(out.data() + ends.front(), sorted.data(), sorted.size());
}

}  // namespace dcache::engine::cbor
