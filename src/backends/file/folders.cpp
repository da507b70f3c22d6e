// SPDX-License-Identifier: MIT
#include "backends/file/folders.hpp"

#include <array>
#include <filesystem>
#include <system_error>

#include "dcache/engine/digest.hpp"
#include "dcache/error.hpp"

namespace dcache::files {
namespace {

constexpr std::string_view hex = "0123456789abcdef";
constexpr std::size_t name_max = 200;  // File systems take 255 bytes.

bool stands_for_itself(char letter, bool first) noexcept {
  const bool is_word = (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
                       (letter >= '0' && letter <= '9') || letter == '-' || letter == '_';
  return is_word || (letter == '.' && !first) || letter == ':' || letter == '@' || letter == '+';
}

std::string escaped(std::string_view key) {
  std::string name;
  for (const char letter : key) {
    if (stands_for_itself(letter, name.empty())) {
      name += letter;
      continue;
    }
    const auto byte = static_cast<unsigned char>(letter);
    name += {'%', hex[byte >> 4U], hex[byte & 15U]};
  }
  if (name.size() <= name_max) return name;
  return engine::base32(engine::as_bytes(engine::sha256({key}))).insert(0, 1, '~');
}

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw ConfigError("dcache: " + path + ' ' + why +
                    ": use a folder of this user's own, or say allow_shared");
}

void must(fs::Error error, const std::string& path) {
  if (error != 0) throw TierError("dcache: " + path + " cannot be used: " + fs::describe(error));
}

// Others could put entries of theirs there, or a folder of theirs in its place.
void check_owner(const std::string& path) {
  constexpr unsigned everybody_writes = 02, sticky = 01000;
  fs::Status status;
  must(fs::status_of(path, status), path);
  if (!status.is_directory) throw ConfigError("dcache: " + path + " is no folder");
  if ((status.mode & everybody_writes) != 0) refuse(path, "can be written by everybody");
  if (status.owner != fs::current_user()) refuse(path, "belongs to another user");
  // Whoever renames in a folder above it puts another one in its place.
  std::error_code unknown;
  std::filesystem::path above = std::filesystem::canonical(path, unknown);
  while (above.has_relative_path()) {
    above = above.parent_path();
    if (fs::status_of(above.string(), status) != 0) return;
    if ((status.mode & everybody_writes) != 0 && (status.mode & sticky) == 0) {
      refuse(path, "can be replaced by everybody, who can write to " + above.string());
    }
  }
}

}  // namespace

std::string shard_name(unsigned shard) { return {hex[shard >> 4U], hex[shard & 15U]}; }

std::string entry_name(std::string_view key) {
  const auto shard = static_cast<unsigned>(engine::checksum({key}) % shards);
  std::string name = shard_name(shard);
  name += '/';
  name += escaped(key);
  return name;
}

Folders::Folders(const std::string& path, bool allow_shared) {
  if (allow_shared) {
    folder_mode = 0777;
    file_mode = 0666;
  }
  must(fs::make_directories(path, folder_mode), path);
  if (!allow_shared) check_owner(path);
  fs::Directory root;
  must(fs::Directory::open(path, root), path);
  must(root.make("entries", folder_mode), path);
  must(root.make("drafts", folder_mode), path);
  must(root.open("entries", entries), path);
  must(root.open("drafts", drafts), path);
  must(fs::LockFile::open(root, "locks", file_mode, locks), path);
}

}  // namespace dcache::files
