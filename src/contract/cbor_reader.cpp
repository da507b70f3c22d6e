// SPDX-License-Identifier: MIT
#include "dcache/engine/cbor_reader.hpp"

#include <bit>
#include <cmath>
#include <limits>

namespace dcache::engine::cbor {
namespace {

// RFC 8949, appendix D.
double half_of(std::uint64_t bits) noexcept {
  const auto exponent = static_cast<int>(bits >> 10U & 31U);
  const auto fraction = static_cast<double>(bits & 0x3FFU);
  double value = 0;
  if (exponent == 0) {
    value = std::ldexp(fraction, -24);
  } else if (exponent != 31) {
    value = std::ldexp(fraction + 1024, exponent - 25);
  } else {
    value = fraction == 0 ? std::numeric_limits<double>::infinity()
                          : std::numeric_limits<double>::quiet_NaN();
  }
  return (bits & 0x8000U) != 0 ? -value : value;
}

}  // namespace

double float_of(const Head& head) noexcept {
  if (head.info == 25) return half_of(head.value);
  if (head.info == 26) {
    return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(head.value)));
  }
  return std::bit_cast<double>(head.value);
}

bool Reader::skip() noexcept {
  const std::uint64_t others = outstanding_ > 0 ? outstanding_ - 1 : 0;
  Head head;
  do {
    std::string_view content;
    if (!read(head)) return false;
    if ((head.major == Major::bytes || head.major == Major::text) && !take(head, content)) {
      return false;
    }
  } while (outstanding_ > others);
  return true;
}

}  // namespace dcache::engine::cbor
