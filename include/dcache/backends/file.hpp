// SPDX-License-Identifier: MIT
/// Files on a disk of this machine: one for each entry, shared by its processes.
///
///   auto files = std::make_shared<dcache::FileBackend>("/var/cache/app");
///
/// Writes replace whole files, so a reader sees the old entry or the new one, whatever dies when.
/// Under the path are `entries/`, in 256 folders, `drafts/` and `locks`; nothing else there is
/// touched. A file's time of modification is when its entry may be dropped.
///
/// Leases are locks of byte ranges: they end with the process that holds them. They need a local
/// file system; on a network's, two machines may compute the same key.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "dcache/engine/backend.hpp"

namespace dcache {

struct FileOptions {
  /// The most bytes on the disk, > 0: 1 GB. A sweep in the background keeps to it: when a process
  /// has written a 32nd of it, the entries that were not used for longest are removed. So there may
  /// be more by a 32nd for each process that writes.
  std::uint64_t max_bytes = 1'000'000'000;
  /// Whether others may be able to write there. What they write is data and is checked, but they
  /// decide what functions return, unless records are signed. Without it folders are 0700, files
  /// 0600, and a path that belongs to somebody else, that everybody can write, or that is in a
  /// folder that everybody can write, at any depth, without its being sticky, is refused with a
  /// ConfigError when it is first used.
  bool allow_shared = false;
};

/// Thread-safe, and safe with any number of processes. Makes the folders when it is first used.
class FileBackend final : public engine::Backend {
 public:
  /// Does no I/O. Throws ConfigError for an empty path or a bound of 0. A relative path is meant
  /// from the folder that is current now.
  explicit FileBackend(const std::string& path, FileOptions options = {});
  ~FileBackend() override;

  std::string name() const override;
  engine::Capabilities capabilities() const noexcept override;
  void submit(const engine::Ref<engine::Op>& op) noexcept override;
  void check() override;
  void close() noexcept override;

  /// Removes what has expired, and what is over the bound, now; on the caller's thread. True: done;
  /// false: another process is at it. Throws TierError if the path cannot be used.
  bool sweep();

 private:
  class Store;
  std::shared_ptr<Store> store_;
};

}  // namespace dcache
