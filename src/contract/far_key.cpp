// SPDX-License-Identifier: MIT
#include "dcache/engine/far_key.hpp"

#include <algorithm>
#include <utility>

#include "dcache/codec.hpp"
#include "dcache/engine/cbor.hpp"
#include "dcache/error.hpp"

namespace dcache::engine {
namespace {

constexpr std::size_t space_max = 64;
constexpr std::size_t function_max = 120;  // With namespace and digest below Memcached's 250 bytes.

// What every store takes in a key. Braces would tell a Redis cluster where a key lives.
bool is_readable(char letter) noexcept {
  constexpr std::string_view refused = "\"'()\\`{}";
  return letter > ' ' && letter < '\x7F' && refused.find(letter) == std::string_view::npos;
}

}  // namespace

std::string key_prefix(std::string_view space, std::string_view function) {
  if (space.size() > space_max || !std::all_of(space.begin(), space.end(), is_readable)) {
    throw ConfigError("dcache: namespace is \"" + std::string(space) + "\"; expected at most " +
                      std::to_string(space_max) +
                      " letters, digits and signs, without blanks and braces");
  }
  std::string text(space);
  if (!space.empty()) text += ':';
  // Text beyond ASCII is one `_` for each character, not for each of its bytes.
  std::string readable;
  for (const char letter : function) {
    if ((static_cast<unsigned char>(letter) & 0xC0U) == 0x80U) continue;
    readable += is_readable(letter) ? letter : '_';
  }
  if (readable.size() > function_max) readable.erase(0, readable.size() - function_max);
  return text + readable + ':';
}

std::string canonical_prefix(std::string_view function, std::string_view version) {
  std::string bytes;
  cbor::append_head(bytes, cbor::Major::array, 3);
  Encoder out(bytes, Encoder::Form::key);
  out.text(function);
  if (version.empty()) {
    out.null();
  } else {
    out.text(version);
  }
  return bytes;
}

void write_far_key(std::string_view prefix, Parts canonical, char* to) {
  write_base32(as_bytes(sha256(canonical)), std::copy(prefix.begin(), prefix.end(), to));
}

FarKey far_key(std::string_view prefix, std::string canonical) {
  std::string text(prefix.size() + digest_text, ' ');
  write_far_key(prefix, {canonical}, text.data());
  return {std::move(text), std::move(canonical)};
}

}  // namespace dcache::engine
