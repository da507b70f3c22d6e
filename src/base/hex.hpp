// SPDX-License-Identifier: MIT
/// Bytes as two lower-case hexadecimal digits each.
#pragma once

#include <string>
#include <string_view>

namespace dcache::engine {

inline std::string hex(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  out.reserve(2 * bytes.size());
  for (const char each : bytes) {
    const auto byte = static_cast<unsigned char>(each);
    out += digits[byte >> 4U];
    out += digits[byte & 15U];
  }
  return out;
}

}  // namespace dcache::engine
