// SPDX-License-Identifier: MIT
/// Who computes an entry, among processes, and whether what he computed may be stored. An entry
/// goes by the name of its file.
///
/// The lock file has a number for each of 4096 groups of names, which grows with each invalidation
/// and each explicit write. A token is that number as it was when computing began: a fill with
/// another number comes too late. Two names of one group cost each other a computation at most.
///
/// A lease is a lock on a byte that name and number choose, far behind the numbers: it ends with
/// its process, and an invalidation, which changes the number, frees the name for others at once.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string_view>
#include <unordered_map>

#include "fs/lock_file.hpp"

namespace dcache::files {

class Leases {
 public:
  explicit Leases(const fs::LockFile& locks) noexcept : locks_(locks) {}

  /// EAGAIN: somebody else has the lease. Who has it may have it more than once: in a process it is
  /// for flights to say who computes. `token` is never 0.
  fs::Error lease(std::string_view name, std::uint64_t& token);
  fs::Error watch(std::string_view name, std::uint64_t& token) const;
  void release(std::string_view name, std::uint64_t token);

  /// Runs `change` if the token is alive (ESTALE: it is not), with no other change of the name's
  /// group at the same time, in any process. Waits at most a quarter of a second for a process that
  /// stopped in the middle, and five for threads of its own (ETIMEDOUT).
  /// `kills`: the other tokens of the name are dead then.
  fs::Error if_alive(std::string_view name, std::uint64_t token, bool kills,
                     const std::function<fs::Error()>& change);
  /// Runs `change` and kills all tokens of the name.
  fs::Error and_kill(std::string_view name, const std::function<fs::Error()>& change);
  /// Runs `change` and leaves the tokens alone.
  fs::Error alone(std::string_view name, const std::function<fs::Error()>& change);

 private:
  static constexpr std::size_t groups = 4096;

  /// Alone in the name's group: `run(at, number)`, the group's number and where it stands.
  fs::Error in_group(std::uint64_t hash,
                     const std::function<fs::Error(std::uint64_t at, std::uint64_t number)>& run);

  const fs::LockFile& locks_;
  std::array<std::timed_mutex, 64> threads_;  // Of this process: its locks are one for all of them.
  std::mutex mutex_;
  std::unordered_map<std::uint64_t, unsigned> held_;  // Bytes, and how often. Guarded by mutex_.
};

}  // namespace dcache::files
