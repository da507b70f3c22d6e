// SPDX-License-Identifier: MIT
/// The memory of a shard's queues for entries that are gone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "dcache/engine/hot.hpp"

namespace dcache::engine {

/// Remembers that an entry was here, in two bytes: fingerprints of the entries evicted of late.
///
/// Not thread-safe: it lives under its shard's lock. Buckets of four, first in first out inside a
/// bucket, so a memory lasts about as many evictions as there are places. Forgets at will and takes
/// one stranger in about 16,000 for an acquaintance; both only cost a little hit ratio. O(1).
/// After the ghost queue of S3-FIFO (Yang et al., SOSP 2023).
class Ghost {
 public:
  /// Room for at least `entries`, in one block; what it held is forgotten. Without memory for it,
  /// it keeps what it has: an empty ghost only answers no.
  void resize(std::size_t entries) noexcept;

  /// Places. Zero until the first resize.
  std::size_t capacity() const noexcept { return buckets_ * ways; }

  void remember(std::uint64_t hash) noexcept {
    if (buckets_ == 0) return;
    Bucket& prints = bucket(hash);
    prints = prints << 16U | print(hash);
  }

  /// Fetches what `remember` and `take` will touch into the core's cache.
  DCACHE_HOT void prefetch(std::uint64_t hash) const noexcept {
    if (buckets_ != 0) __builtin_prefetch(&bucket(hash), 1);
  }

  /// Whether `hash` was remembered, and no longer is.
  bool take(std::uint64_t hash) noexcept {
    if (buckets_ == 0) return false;
    constexpr std::uint64_t ones = 0x0001000100010001U;
    Bucket& prints = bucket(hash);
    const std::uint64_t differ = prints ^ (print(hash) * ones);
    // No sixteen bits of `differ` are zero (a test that errs towards yes above a zero only).
    if (((differ - ones) & ~differ & (ones << 15U)) == 0) [[likely]]
      return false;
    return drop(prints, print(hash));
  }

  void clear() noexcept;

 private:
  static constexpr std::size_t ways = 4;

  // Four fingerprints, the newest lowest; zero is an empty place.
  using Bucket = std::uint64_t;

  // The shard is picked by the top bits, so none of them may pick the bucket.
  Bucket& bucket(std::uint64_t hash) const noexcept {
    return table_[static_cast<std::size_t>((hash & 0xFFFFFFFFU) * buckets_ >> 32U)];
  }
  static std::uint64_t print(std::uint64_t hash) noexcept {
    const std::uint64_t bits = hash >> 36U & 0xFFFFU;
    return bits == 0 ? 1 : bits;
  }
  static bool drop(Bucket& bucket, std::uint64_t print) noexcept;

  std::unique_ptr<Bucket[]> table_;
  std::size_t buckets_ = 0;
};

}  // namespace dcache::engine
