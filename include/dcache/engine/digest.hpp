// SPDX-License-Identifier: MIT
/// Digests, seals and their texts. Thread-safe throughout.
///
/// SHA-256 is FIPS 180-4, HMAC is RFC 2104, both OpenSSL's; the checksum is XXH3 of 64 bits. What
/// is digested is given in parts and counts as one run of bytes.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

namespace dcache::engine {

using Digest = std::array<unsigned char, 32>;
using Parts = std::initializer_list<std::string_view>;

template <std::size_t N>
std::string_view as_bytes(const std::array<unsigned char, N>& bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), N};
}

/// Throws Error if the machine's OpenSSL has none (a FIPS configuration that is broken).
Digest sha256(Parts parts);

/// Against damage, not against people.
std::uint64_t checksum(Parts parts);

/// Lower-case, without padding (RFC 4648): every store takes it, also those that ignore case. 52
/// characters of a Digest.
constexpr std::size_t base32_size(std::size_t bytes) noexcept { return (bytes * 8 + 4) / 5; }
/// Writes that many.
void write_base32(std::string_view bytes, char* to) noexcept;
inline std::string base32(std::string_view bytes) {
  std::string text(base32_size(bytes.size()), ' ');
  write_base32(bytes, text.data());
  return text;
}

/// HMAC-SHA-256 under one secret.
class Signer {
 public:
  /// Throws ConfigError for a secret of less than 16 bytes: it can be guessed.
  explicit Signer(std::string_view secret);
  Signer(const Signer&) = delete;
  Signer& operator=(const Signer&) = delete;
  ~Signer();

  Digest sign(Parts parts) const;
  /// Whether this is the seal of these parts, in a time that tells nothing about it.
  bool verify(std::string_view seal, Parts parts) const;

  static constexpr std::size_t secret_min = 16;

 private:
  class Prepared;
  std::unique_ptr<Prepared> prepared_;
};

}  // namespace dcache::engine
