// SPDX-License-Identifier: MIT
/// The memory of a shard's queues for entries that are gone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

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

  void remember(std::uint64_t hash) noexcept;

  /// Whether `hash` was remembered, and no longer is.
  bool take(std::uint64_t hash) noexcept;

  void clear() noexcept;

 private:
  static constexpr std::size_t ways = 4;

  struct Bucket {
    std::uint16_t prints[ways];  // Newest first; zero is an empty place.
  };

  // The shard is picked by the top bits, so none of them may pick the bucket.
  Bucket& bucket(std::uint64_t hash) const noexcept {
    return table_[static_cast<std::size_t>((hash & 0xFFFFFFFFU) * buckets_ >> 32)];
  }
  static std::uint16_t print(std::uint64_t hash) noexcept {
    const auto bits = static_cast<std::uint16_t>(hash >> 36);
    return bits == 0 ? std::uint16_t{1} : bits;
  }

  std::unique_ptr<Bucket[]> table_;
  std::size_t buckets_ = 0;
};

}  // namespace dcache::engine
