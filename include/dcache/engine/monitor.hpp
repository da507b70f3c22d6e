// SPDX-License-Identifier: MIT
/// The knobs of a table's queues, learnt while it works.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "dcache/engine/queues.hpp"

namespace dcache::engine {

class Shadows;

/// What there is to choose from; the first is the default. On 31 trace and size pairs the best of
/// the four, chosen afterwards per pair and kept, gives 40.63 % hits; a grid of 94 gives 40.79, its
/// best one alone 39.4. The last stands for LRU: without it mooncake-conversation at 18279 loses
/// about 3 points.
inline constexpr std::array<Knobs, 4> configurations{{{20, 1}, {2, 1}, {40, 2}, {70, 2}}};

/// Learns which targets suit the workload, by trying them all on a sample of the keys.
///
/// One in R keys is sampled (R a power of two that grows with the capacity). Their requests feed
/// four shadow caches, one per configuration, that hold fingerprints only and run the real queues
/// at 1/R of the size. Every two shadow sizes of requests the configuration with the most hits, old
/// ones decaying, takes over, if its lead is more than chance among the requests on which it and
/// the current one disagreed.
///
/// Thread-safe: every method may be called from any thread at any time; none blocks or throws.
/// Bounds: a shadow has 48 to 95 entries (fewer in a smaller cache; 128 to 255 from 8192 entries
/// on) and takes 4 to 9 KiB; they are made once misses reach 1/16 of the capacity. Without memory
/// for them the default stays. Hits cost nothing here but the note.
/// At most 64 requests wait between two sampled misses; the oldest of more are forgotten.
/// A sampled miss costs up to 64 x 4 shadow requests, about 20 ns each.
///
/// Sources: miniature simulation (Waldspurger et al., USENIX ATC 2017) and the five knobs of
/// S4-FIFO (OSDI 2026), of which two proved enough.
class Monitor {
 public:
  /// For a table of `capacity` entries; 0: nothing is sampled. Allocates nothing.
  explicit Monitor(std::size_t capacity) noexcept;
  ~Monitor();
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;

  /// Whether the requests for `hash` should be noted. Uses bits 8 and up.
  bool sampled(std::uint64_t hash) const noexcept {
    return (hash & mask_.load(std::memory_order_relaxed)) == 0;
  }

  /// A sampled request, hit or miss. Lossy on purpose: racing threads may overwrite each other.
  /// But up to a head nothing is older than a lap: each head is a release, and each acquires the
  /// one before, or a replay would take what lay there 64 requests ago for a request of now.
  void note(std::uint64_t hash) noexcept {
    const auto at = head_.load(std::memory_order_acquire);
    ring_[at % ring_size].store(static_cast<std::uint32_t>(hash >> 32), std::memory_order_relaxed);
    head_.store(at + 1, std::memory_order_release);
  }

  /// After the note of a sampled miss: replays what was noted and perhaps switches. Returns at once
  /// if another thread is at it.
  void learn() noexcept;

  /// The current choice. Cheap enough for every insertion.
  Knobs knobs() const noexcept { return configurations[choice_.load(std::memory_order_relaxed)]; }

  std::size_t capacity() const noexcept { return capacity_.load(std::memory_order_relaxed); }

  /// The table's capacity changed. The choice stays; the shadows start again.
  void resize(std::size_t capacity) noexcept;

 private:
  static constexpr std::uint32_t ring_size = 64;
  static constexpr std::size_t line = 64;

  bool ready() noexcept;
  void replay() noexcept;

  std::atomic<std::uint64_t> mask_{0};  // The bits of a hash that are zero if it is sampled.
  std::atomic<std::size_t> capacity_{0};
  std::atomic<std::uint8_t> choice_{0};

  alignas(line) std::atomic<std::uint32_t> head_{0};
  std::array<std::atomic<std::uint32_t>, ring_size> ring_{};

  alignas(line) std::atomic<bool> busy_{false};
  // Owned by whoever set busy_.
  std::uint32_t tail_ = 0;
  std::size_t misses_ = 0;
  std::size_t built_for_ = 0;
  std::unique_ptr<Shadows> shadows_;
};

}  // namespace dcache::engine
