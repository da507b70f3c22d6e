// SPDX-License-Identifier: MIT
#include "backends/file/sweep.hpp"

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "dcache/engine/record.hpp"

namespace dcache::files {
namespace {

constexpr fs::FileTime second = 1'000'000;
constexpr fs::FileTime never = 4'000'000'000 * second;  // What no store's clock will reach: 2096.

struct Entry {
  fs::FileTime used;
  std::uint64_t size;
};

// Calls visit(folder, name, status) for each file of the entries.
template <class Visit>
void each_entry(const Folders& folders, Visit&& visit) {
  for (unsigned shard = 0; shard < shards; ++shard) {
    fs::Directory folder;
    if (folders.entries.open(shard_name(shard).c_str(), folder) != 0) continue;
    folder.list([&](const char* name) {
      fs::Status status;
      if (folder.status(name, status) == 0 && !status.is_directory) visit(folder, name, status);
      return true;
    });
  }
}

// Those that were used before the answer are the ones to go.
fs::FileTime border(std::vector<Entry>& entries, std::uint64_t total, std::uint64_t bytes_max) {
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.used < b.used; });
  const std::uint64_t goal = bytes_max - bytes_max / 10;
  for (const Entry& entry : entries) {
    if (total <= goal) return entry.used;
    total -= std::min(total, entry.size);
  }
  return never;
}

void remove_drafts(const Folders& folders, fs::FileTime before) {
  folders.drafts.list([&](const char* name) {
    fs::Status status;
    if (folders.drafts.status(name, status) == 0 && status.used < before) {
      folders.drafts.remove(name);
    }
    return true;
  });
}

}  // namespace

Swept sweep(const Folders& folders, std::uint64_t bytes_max, std::chrono::microseconds draft_age) {
  const fs::FileTime now = engine::wall_now();
  Swept swept;
  std::vector<Entry> entries;
  const auto remove = [&](const fs::Directory& folder, const char* name, std::uint64_t size) {
    if (folder.remove(name) != 0) return;
    ++swept.removed;
    swept.bytes -= std::min(swept.bytes, size);
  };
  remove_drafts(folders, now - draft_age.count());
  each_entry(folders, [&](const fs::Directory& folder, const char* name, const fs::Status& status) {
    swept.bytes += status.size;
    if (status.modified < now) return remove(folder, name, status.size);
    if (status.modified < never) entries.push_back({status.used, status.size});
  });
  if (swept.bytes <= bytes_max) return swept;
  const fs::FileTime used_since = border(entries, swept.bytes, bytes_max);
  each_entry(folders, [&](const fs::Directory& folder, const char* name, const fs::Status& status) {
    if (status.modified < never && status.used < used_since) remove(folder, name, status.size);
  });
  return swept;
}

}  // namespace dcache::files
