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

#include <string>
#include <string_view>

namespace dcache::redis {

inline constexpr std::string_view watch_suffix = ":w", lease_suffix = ":l";

inline std::string record_name(std::string_view key) {
  std::size_t at = key.rfind(':') + 1;  // Without a colon: 0.
  if (at == key.size()) at = 0;         // Empty braces would be no tag.
  std::string name;
  name.reserve(key.size() + 4);
  name.append(key.substr(0, at)).append(1, '{').append(key.substr(at)).append(1, '}');
  return name;
}

}  // namespace dcache::redis
