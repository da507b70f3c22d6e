// SPDX-License-Identifier: MIT
/// Bytes as a person writes them.
#pragma once

#include <string>
#include <string_view>

namespace support {

inline std::string hex(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const char byte : bytes) {
    text += digits[static_cast<unsigned char>(byte) >> 4U];
    text += digits[static_cast<unsigned char>(byte) & 15U];
  }
  return text;
}

/// REQUIRES: an even number of lower-case digits.
inline std::string unhex(std::string_view text) {
  const auto digit = [](char letter) {
    return static_cast<unsigned>(letter <= '9' ? letter - '0' : letter - 'a' + 10);
  };
  std::string bytes;
  for (std::size_t at = 0; at + 1 < text.size(); at += 2) {
    bytes += static_cast<char>(digit(text[at]) << 4U | digit(text[at + 1]));
  }
  return bytes;
}

}  // namespace support
