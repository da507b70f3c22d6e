// SPDX-License-Identifier: MIT
/// What Redis calls things: a record, and beside it what says who may fill it.
///
/// The last part of a key, the digest, is in braces, so that all three share a slot of a cluster:
///
///   shop:quote:{52 letters}     the record
///   shop:quote:{52 letters}:w   the watch: a token, for as long as somebody computes
///   shop:quote:{52 letters}:l   the lease: who computes, and under which token
///
/// Two keys never share a name, and no name is that of another key's watch or lease.
#pragma once

#include <cstring>
#include <string>
#include <string_view>

#include "wire/resp.hpp"

namespace dcache::redis {

inline constexpr std::string_view watch_suffix = ":w", lease_suffix = ":l";

/// Where the digest begins.
inline std::size_t digest_at(std::string_view key) noexcept {
  const void* const colon = ::memrchr(key.data(), ':', key.size());
  if (colon == nullptr) return 0;
  const auto at = static_cast<std::size_t>(static_cast<const char*>(colon) - key.data()) + 1;
  return at == key.size() ? 0 : at;  // Empty braces would be no tag.
}

inline std::string record_name(std::string_view key) {
  std::string name(key);
  name.insert(digest_at(key), 1, '{') += '}';
  return name;
}

/// The name of a record, or with a suffix of what is beside it, as a word of a command.
inline void append_name(std::string& out, std::string_view key, std::string_view suffix = {}) {
  const std::size_t at = digest_at(key);
  resp::append_word_head(out, key.size() + suffix.size() + 2);
  out.append(key.substr(0, at)).append(1, '{').append(key.substr(at)).append(1, '}');
  out.append(suffix).append("\r\n");
}

}  // namespace dcache::redis
