// SPDX-License-Identifier: MIT
/// The folders of a file backend, and what an entry is called in them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "dcache/backends/file.hpp"
#include "dcache/engine/fork.hpp"

#include "fs/directory.hpp"
#include "fs/lock_file.hpp"

namespace dcache::files {

inline constexpr unsigned shards = 256;

/// The folder of a shard, `3f`.
std::string shard_name(unsigned shard);
/// Of an entry: its folder and its file, `3f/function%3Aabc`. A person can read most of the key.
std::string entry_name(std::string_view key);

/// What is open. Immutable once it is.
struct Folders {
  fs::Directory entries;
  fs::Directory drafts;
  fs::LockFile locks;
  std::uint32_t generation = engine::fork_generation();
  unsigned folder_mode = 0700;
  unsigned file_mode = 0600;

  /// Makes what is missing. Throws ConfigError for a path that must not be used, TierError for one
  /// that cannot.
  Folders(const std::string& path, bool allow_shared);
};

}  // namespace dcache::files
