// SPDX-License-Identifier: MIT
/// The order in which the entries of a shard leave.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "dcache/engine/hot.hpp"
#include "dcache/engine/nodes.hpp"

namespace dcache::engine {

/// What the monitor turns: targets only, nothing moves when they change.
struct Knobs {
  std::uint8_t small_percent;  // Of the capacity: what the small queue aims at.
  std::uint8_t youth_shift;  // The small queue's newest part, whose hits do not count: a half (1),
                             // a quarter (2), or nothing of it (63).

  friend bool operator==(const Knobs& a, const Knobs& b) noexcept {
    return std::bit_cast<std::uint16_t>(a) == std::bit_cast<std::uint16_t>(b);
  }
};

enum class Policy : std::uint8_t { adaptive, lru };

/// Which entry has to go.
struct Victim {
  std::uint32_t slot = no_slot;  // no_slot: nothing that weighs anything is left.
  bool remember = false;         // Whether the ghost should learn of it.
};

/// The order in which one shard's entries leave: S3-FIFO with adjustable targets, or exact LRU.
///
/// It knows slot numbers and weights, never keys or values. Not thread-safe: every method needs the
/// shard's lock; NodeTable::hit alone does not. Nothing allocates, nothing throws.
/// Everything is O(1); victim() looks at `sweep_max` entries at most. for_each is O(n).
///
/// Adaptive: newcomers enter a small FIFO queue; those hit after their youth go on to the main
/// queue, a two-bit clock, and the others leave; who comes back while the ghost remembers it enters
/// main at once. What the small queue holds beyond its target, because the cache is still filling
/// or the target fell, moves over to main, at most `moves_max` entries an insertion.
/// An entry of weight zero is pinned: it is in no queue and leaves only through erase().
///
/// Sources: S3-FIFO (Yang et al., SOSP 2023); the part of the small queue in which hits do not
/// count is the correlation window of Clock2Q+ (VLDB 2026), kept here without stamps.
class Queues {
 public:
  explicit Queues(NodeTable& nodes, Policy policy = Policy::adaptive) noexcept
      : nodes_(&nodes), policy_(policy) {}

  /// In weight units, which are entries where there are no weights. Evicts nothing: the owner asks
  /// for victims until weight() fits.
  void set_capacity(std::uint64_t capacity) noexcept;
  void set_knobs(Knobs knobs) noexcept;
  Knobs knobs() const noexcept { return knobs_; }

  /// Takes in a slot that is in no queue, its weight already set. `from_ghost`: the ghost knew it.
  void insert(std::uint32_t slot, bool from_ghost) noexcept;

  /// Chooses the entry to evict and takes it out. `reused`: what comes next is `insert` of that
  /// slot, or `unlink_vacated`; it may then stay where it is until there.
  Victim victim(bool reused = false) noexcept;

  /// No newcomer comes into the victim's slot.
  void unlink_vacated() noexcept;

  /// Which two slots the next calls of `victim` look at first, as far as is known now; `no_slot`
  /// where nothing is.
  std::array<std::uint32_t, 2> next_looks() const noexcept {
    const bool small = rings_[small_ring].weight >= small_target_;
    const auto ring = small ? small_ring : main_ring;
    if (rings_[ring].empty()) return {no_slot, no_slot};
    const auto first = oldest(ring);
    return {first, at(first).prev};
  }

  /// Fetches what the next insertion will move over the border of youth.
  DCACHE_HOT void prefetch_border() const noexcept {
    if (youth_.weight != 0) __builtin_prefetch(&at(at(youth_.oldest).prev), 1);
  }

  /// Takes out a slot that is in.
  void erase(std::uint32_t slot) noexcept { unlink(slot); }

  /// `to`, its weight already set, takes the place of `from`, which is in no queue then.
  void succeed(std::uint32_t from, std::uint32_t to) noexcept;

  /// Some entry, pinned ones too; `no_slot` if there is none.
  std::uint32_t any() const noexcept;

  /// Forgets all entries without a look at their nodes.
  void clear() noexcept {
    rings_ = {};
    youth_ = {};
    vacated_ = no_slot;
  }

  /// A hit, under the lock: moves the entry to the front (LRU) or counts (adaptive).
  void touch(std::uint32_t slot) noexcept;

  /// Changes the weight of a slot that is in; it keeps its place unless zero is involved.
  void reweigh(std::uint32_t slot, std::uint32_t weight) noexcept;

  std::uint64_t weight() const noexcept {
    return rings_[small_ring].weight + rings_[main_ring].weight;
  }

  /// Calls `visit(slot, heat)` for every entry once. The hotter has the higher heat; of equals the
  /// hotter comes first. Hits go on meanwhile. `visit` changes nothing.
  template <class Visit>
  void for_each(Visit&& visit) const;

 private:
  static constexpr std::uint8_t no_youth = 63;
  static constexpr int sweep_max = 32;
  static constexpr int moves_max = 2;

  using enum Queue;
  enum RingIndex : std::uint8_t { small_ring, main_ring, pinned_ring, rings };

  // Circular: the newest is the head, the oldest is head's prev. For main that is the clock's hand,
  // and turning the ring by one gives the entry under the hand another lap.
  struct Ring {
    std::uint32_t head = no_slot;  // no_slot: empty.
    std::uint64_t weight = 0;

    bool empty() const noexcept { return head == no_slot; }
  };

  // The newest entries of the small ring. None weighs nothing, so without weight there are none.
  struct Youth {
    std::uint32_t oldest = no_slot;
    std::uint64_t weight = 0;
  };

  Link& at(std::uint32_t slot) const noexcept { return nodes_->link(slot); }
  Queue& queue_of(std::uint32_t slot) const noexcept { return nodes_->queue(slot); }
  std::uint32_t oldest(RingIndex ring) const noexcept { return at(rings_[ring].head).prev; }
  static RingIndex ring_of(Queue queue) noexcept;
  std::uint64_t youth_target() const noexcept {
    return rings_[small_ring].weight >> knobs_.youth_shift;
  }
  void push(Queue queue, std::uint32_t slot, std::uint32_t weight) noexcept;
  void push(Queue queue, std::uint32_t slot) noexcept { push(queue, slot, nodes_->weight(slot)); }
  void unlink(std::uint32_t slot) noexcept;
  void leave_youth(std::uint32_t slot, std::uint32_t weight) noexcept;
  void age() noexcept;
  void spill(std::uint32_t newcomer_weight) noexcept;
  void unlink_from(Ring& ring, std::uint32_t slot) noexcept;
  void renew_oldest(std::uint32_t slot, std::uint32_t weight) noexcept;
  std::uint32_t try_small(bool force, bool reused) noexcept;
  std::uint32_t try_main(bool force) noexcept;

  NodeTable* nodes_;
  std::array<Ring, rings> rings_{};
  Youth youth_{};
  std::uint32_t vacated_ =
      no_slot;  // Evicted, to be inserted next; still the oldest of the small ring.
  std::uint64_t capacity_ = 0;
  std::uint64_t small_target_ = 1;
  std::uint64_t small_limit_ = 1;  // What the small ring may hold before it spills.
  Knobs knobs_{20, 1};
  Policy policy_;
};

}  // namespace dcache::engine

#include "dcache/engine/queues_impl.hpp"
