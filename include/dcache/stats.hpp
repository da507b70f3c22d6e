// SPDX-License-Identifier: MIT
/// What was counted: snapshots, plain numbers since the start.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dcache {

/// Why an entry left the near tier.
enum class Cause : std::uint8_t {
  replaced,  ///< Another value was stored for its key.
  evicted,   ///< Room was needed.
  expired,   ///< Its time had passed.
  erased,    ///< Somebody asked for it: erase, invalidate, clear.
};
inline constexpr std::size_t causes = 4;

/// The counters of one near tier. Each is exact; taken together while others work they are from
/// slightly different moments.
struct MemoryStats {
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t inserted = 0;
  std::uint64_t replaced = 0;
  std::uint64_t evicted = 0;
  std::uint64_t expired = 0;
  std::uint64_t erased = 0;
  std::uint64_t rejected = 0;         ///< Not kept: heavier than the whole table, or no memory.
  std::uint64_t listener_errors = 0;  ///< Exceptions of the removal listener, swallowed.
  std::size_t entries = 0;
  std::uint64_t weight = 0;  ///< 0 without a weigher.

  /// Hits among look-ups, 0 to 1; 0 before the first.
  double hit_ratio() const noexcept {
    const std::uint64_t lookups = hits + misses;
    return lookups == 0 ? 0.0 : static_cast<double>(hits) / static_cast<double>(lookups);
  }
};

}  // namespace dcache
