// SPDX-License-Identifier: MIT
/// What the policy keeps for each entry of a shard: twelve bytes, and four more with weights.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "dcache/engine/column.hpp"

namespace dcache::engine {

/// `freq` alone may be written by readers, without a lock; the rest belongs to the shard's lock,
/// or to whoever holds a slot that is in no queue.
struct Node {
  static constexpr std::uint8_t freq_max = 3;

  /// Which part of the queues holds it. An enumeration, since a store to a plain byte would make the
  /// compiler read every address anew.
  enum class Queue : std::uint8_t { nowhere, young, old, main, pinned };

  std::uint32_t next = no_slot;
  std::uint32_t prev = no_slot;
  std::atomic<std::uint8_t> freq{0};
  Queue queue = Queue::nowhere;
  std::uint16_t cause = 0;  // Why it left, for whoever buries it.

  /// All that a hit does. A lost update is harmless, and a hot entry is never written again.
  void hit() noexcept {
    const std::uint8_t seen = freq.load(std::memory_order_relaxed);
    if (seen < freq_max) {
      freq.store(static_cast<std::uint8_t>(seen + 1), std::memory_order_relaxed);
    }
  }
};
static_assert(sizeof(Node) == 12);

class NodeTable {
 public:
  NodeTable(unsigned shift, bool weighted) noexcept
      : nodes_(shift), weights_(shift), weighted_(weighted) {}

  Node& operator[](Slot slot) const noexcept { return nodes_[slot]; }

  // REQUIRES: the shard's lock.
  Node& held(Slot slot) const noexcept { return nodes_.held(slot); }
  std::uint32_t weight(Slot slot) const noexcept { return weighted_ ? weights_.held(slot) : 1; }
  void set_weight(Slot slot, std::uint32_t weight) noexcept {
    if (weighted_) weights_.held(slot) = weight;
  }

  /// How many slots there is memory for.
  std::size_t size() const noexcept { return nodes_.size(); }

  /// Makes memory for at least `slots` slots. Throws std::bad_alloc and changes nothing then.
  void cover(std::size_t slots) {
    if (weighted_) weights_.cover(slots);
    nodes_.cover(slots);
  }

 private:
  Column<Node> nodes_;
  Column<std::uint32_t> weights_;
  bool weighted_;
};

}  // namespace dcache::engine
