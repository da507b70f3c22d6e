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

// Calls visit(name, status) for each entry.
template <class Visit>
void each_entry(const Folders& folders, Visit&& visit) {
  for (unsigned shard = 0; shard < shards; ++shard) {
    const std::string shard_folder = shard_name(shard);
    fs::Directory folder;
    if (folders.entries.open(shard_folder.c_str(), folder) != 0) continue;
    folder.list([&](const char* name) {
      fs::Status status;
      if (folder.status(name, status) == 0 && !status.is_directory) {
        visit(shard_folder + '/' + name, status);
      }
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

Swept sweep(const Folders& folders, Leases& leases, std::uint64_t bytes_max,
            std::chrono::microseconds draft_age) {
  const fs::FileTime now = engine::wall_now();
  Swept swept;
  std::vector<Entry> entries;
  // It may have been replaced since it was looked at: `may_go` is asked of what is there then.
  const auto remove = [&](const std::string& name, auto may_go) {
    leases.alone(name, [&]() -> fs::Error {
      fs::Status status;
      if (const fs::Error error = folders.entries.status(name.c_str(), status)) return error;
      if (!may_go(status)) return 0;
      if (const fs::Error error = folders.entries.remove(name.c_str())) return error;
      ++swept.removed;
      swept.bytes -= std::min(swept.bytes, status.size);
      return 0;
    });
  };
  const auto has_expired = [&](const fs::Status& status) { return status.modified < now; };
  remove_drafts(folders, now - draft_age.count());
  each_entry(folders, [&](const std::string& name, const fs::Status& status) {
    swept.bytes += status.size;
    if (has_expired(status)) return remove(name, has_expired);
    if (status.modified < never) entries.push_back({status.used, status.size});
  });
  if (swept.bytes <= bytes_max) return swept;
  const auto is_old = [used_since =
                           border(entries, swept.bytes, bytes_max)](const fs::Status& status) {
    return status.modified < never && status.used < used_since;
  };
  each_entry(folders, [&](const std::string& name, const fs::Status& status) {
    if (is_old(status)) remove(name, is_old);
  });
  return swept;
}

}  // namespace dcache::files
