// SPDX-License-Identifier: MIT
/// What the policy keeps for each entry of a shard: ten bytes, and four more with weights.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "dcache/engine/column.hpp"
#include "dcache/engine/hot.hpp"

namespace dcache::engine {

/// Which part of the queues holds an entry. An enumeration, since a store to a plain byte would
/// make the compiler read every address anew.
enum class Queue : std::uint8_t { nowhere, young, old, main, pinned };

/// Neighbours in a queue.
struct Link {
  std::uint32_t next = no_slot;
  std::uint32_t prev = no_slot;
};

/// Links, queues and weights belong to the holder of the shard's lock and may move; how often an
/// entry was hit of late is written by readers, too, and stays where it is.
class NodeTable {
 public:
  static constexpr std::uint8_t hits_max = 3;

  NodeTable(Layout layout, bool weighted) noexcept : hits_(layout), weighted_(weighted) {}

  /// All that a hit does; no lock. A lost update is harmless, and a hot entry is never written
  /// again.
  DCACHE_HOT void hit(Place place) const noexcept {
    std::atomic<std::uint8_t>& hits = hits_.at(place);
    const std::uint8_t seen = hits.load(std::memory_order_relaxed);
    if (seen < hits_max) {
      hits.store(static_cast<std::uint8_t>(seen + 1), std::memory_order_relaxed);
    }
  }

  void hit(Slot slot) const noexcept { hit(place(slot)); }
  Place place(Slot slot) const noexcept { return hits_.place(slot); }

  // What follows REQUIRES the shard's lock.

  std::uint8_t hits(Slot slot) const noexcept {
    return hits_.held(slot).load(std::memory_order_relaxed);
  }
  void set_hits(Slot slot, std::uint8_t hits) noexcept {
    hits_.held(slot).store(hits, std::memory_order_relaxed);
  }

  Link& link(Slot slot) noexcept { return links_[slot]; }
  const Link& link(Slot slot) const noexcept { return links_[slot]; }
  Queue& queue(Slot slot) noexcept { return queues_[slot]; }
  Queue queue(Slot slot) const noexcept { return queues_[slot]; }

  /// 1 on a table without weights.
  std::uint32_t weight(Slot slot) const noexcept { return weighted_ ? weights_[slot] : 1; }
  void set_weight(Slot slot, std::uint32_t weight) noexcept {
    if (weighted_) weights_[slot] = weight;
  }

  /// How many slots there is memory for.
  std::size_t size() const noexcept { return links_.size(); }  // The last that cover() grows.
  Layout layout() const noexcept { return hits_.layout(); }

  /// Makes memory for at least `slots` slots. Throws std::bad_alloc and changes nothing that
  /// counts.
  void cover(std::size_t slots) {
    if (slots <= size()) return;
    hits_.cover(slots);
    if (weighted_) layout().extend(weights_, slots);
    layout().extend(queues_, slots);
    layout().extend(links_, slots);
  }

 private:
  Column<std::atomic<std::uint8_t>> hits_;
  std::vector<Link> links_;
  std::vector<Queue> queues_;
  std::vector<std::uint32_t> weights_;
  bool weighted_;
};

}  // namespace dcache::engine
