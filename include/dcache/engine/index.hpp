// SPDX-License-Identifier: MIT
/// From hashes to slots: an open-addressing table of groups, each one cache line.
///
/// A look-up that finds nobody had to go further than a group is done there, so erasing leaves no
/// tombstones. The index never sees a key: candidates are offered to the caller, who compares.
///
/// Reading is lock-free and may run while the shard's lock holder writes: every word is atomic, so
/// what is read is at worst out of date. The reader finds out from the shard's version.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "dcache/engine/column.hpp"
#include "dcache/engine/hash.hpp"
#include "dcache/engine/hot.hpp"
#include "dcache/engine/index_group.hpp"

namespace dcache::engine {

class Index {
 public:
  /// What `first` says when only `find` can tell.
  static constexpr Slot further = no_slot - 1;

  /// The first slot in the home group of `hash` whose tag fits; `no_slot` if no entry has this
  /// hash; else `further`. The whole of nearly every look-up, without a loop.
  DCACHE_HOT Slot first(std::uint64_t hash) const noexcept {
    const std::size_t count = count_.load(std::memory_order_acquire);
    const IndexGroups groups = groups_.load(std::memory_order_acquire);
    if (groups.wide()) return first(groups.as<WideGroup>()[home(hash, count)], hash);
    return first(groups.as<NarrowGroup>()[home(hash, count)], hash);
  }

  /// Entries; also for whoever holds no lock.
  std::size_t size() const noexcept { return size_.load(std::memory_order_relaxed); }

  /// Offers to `accept(slot)` every slot whose tag fits, until it returns true.
  /// Returns that slot, or `no_slot`.
  template <class Accept>
  Slot find(std::uint64_t hash, Accept&& accept) const {
    const std::size_t count = count_.load(std::memory_order_acquire);
    return groups_.load(std::memory_order_acquire).visit([&](const auto* groups) {
      std::size_t at = home(hash, count);
      for (std::size_t left = count; left > 0; --left, at = next(at, count)) {
        const auto& group = groups[at];
        for (unsigned match = group.matches(tag(hash)); match != 0; match &= match - 1) {
          const Slot slot = group.slot(static_cast<unsigned>(std::countr_zero(match)));
          if (accept(slot)) return slot;
        }
        if (group.overflow() == 0) break;
      }
      return no_slot;
    });
  }

  /// Fetches the group of `hash` into the core's cache.
  DCACHE_HOT void prefetch(std::uint64_t hash) const noexcept {
    const std::size_t count = count_.load(std::memory_order_acquire);
    const IndexGroups groups = groups_.load(std::memory_order_acquire);
    const auto line = [&](const auto* all) -> const void* { return &all[home(hash, count)]; };
    __builtin_prefetch(groups.visit(line), 1);
  }

  // What follows REQUIRES the shard's lock, and the writes an odd version.

  /// Entries there is room for.
  std::size_t capacity() const noexcept { return capacity_; }
  /// True: `insert` of one more entry has a place without growing.
  bool has_room() const noexcept { return size() < capacity_; }
  /// Slots below this may be inserted.
  std::size_t reach() const noexcept { return reach_; }

  /// Makes a larger table, one step of those that end with room for `entries_max`, still empty and
  /// not in use; for slots below `reach`. Throws std::bad_alloc.
  /// Separate from `adopt` because allocating may fail and adopting may not.
  void prepare(std::size_t entries_max, std::size_t reach);

  /// Moves every entry into the prepared table and uses it from now on.
  /// `hash_of(context, slot)` is our own code: it runs no hash of the user's.
  void adopt(std::uint64_t (*hash_of)(const void*, Slot) noexcept, const void* context) noexcept;

  /// REQUIRES: has_room(), and the slot is within reach and not in the index.
  void insert(std::uint64_t hash, Slot slot) noexcept;

  /// The entry of `from` is that of `to` from now on. REQUIRES: `from` is in the index, and `to`
  /// within reach.
  void replace(std::uint64_t hash, Slot from, Slot to) noexcept;

  /// REQUIRES: `slot` is in the index.
  void erase(std::uint64_t hash, Slot slot) noexcept;

  void clear() noexcept;

 private:
  // The shard is told from the highest bits and the tag from the lowest: the group takes those
  // between.
  static std::size_t home(std::uint64_t hash, std::size_t count) noexcept {
    return static_cast<std::size_t>(multiply_high(hash << 8U, count));
  }
  static std::size_t next(std::size_t at, std::size_t count) noexcept {
    return at + 1 == count ? 0 : at + 1;
  }

  static std::uint8_t tag(std::uint64_t hash) noexcept {
    const auto low = static_cast<std::uint8_t>(hash);
    return low == 0 ? std::uint8_t{1} : low;
  }

  template <class Group>
  DCACHE_HOT static Slot first(const Group& group, std::uint64_t hash) noexcept {
    const unsigned match = group.matches(tag(hash));
    if (match != 0) [[likely]] {
      const Slot slot = group.slot(static_cast<unsigned>(std::countr_zero(match)));
      if (slot >= further) __builtin_unreachable();  // It saves a hit the question.
      return slot;
    }
    return group.overflow() == 0 ? no_slot : further;
  }

  void count_entries(std::ptrdiff_t by) noexcept {
    size_.store(size() + static_cast<std::size_t>(by), std::memory_order_relaxed);
  }
  template <class Group>
  Group& place_of(Group* groups, std::uint64_t hash, Slot slot, unsigned& place) const noexcept;
  template <class Group>
  void move_in(const Group* groups, std::size_t count,
               std::uint64_t (*hash_of)(const void*, Slot) noexcept, const void* context) noexcept;

  static NarrowGroup nothing_;  // For every index that has no table yet; never written.

  // Readers load the count first: it only grows, so every group of a count is in the table that is
  // loaded after it.
  std::atomic<IndexGroups> groups_{IndexGroups(&nothing_)};
  std::atomic<std::size_t> count_{1};
  // The same for the holder of the lock, who may write; nothing at first.
  IndexGroups live_;
  std::size_t live_count_ = 0;
  std::atomic<std::size_t> size_{0};  // Written by the holder of the lock.
  std::size_t capacity_ = 0;
  std::size_t reach_ = 0;
  IndexGroups prepared_;
  std::size_t prepared_count_ = 0;
  // Readers may be in an old table: all of them stay. Each is an eighth of the next, so together
  // the old ones take a seventh of the last.
  std::vector<std::unique_ptr<NarrowGroup[]>> narrow_;
  std::vector<std::unique_ptr<WideGroup[]>> wide_;
};

inline void Index::insert(std::uint64_t hash, Slot slot) noexcept {
  live_.visit([&](auto* groups) {
    for (std::size_t at = home(hash, live_count_);; at = next(at, live_count_)) {
      auto& group = groups[at];
      const unsigned empty = group.matches(0);
      if (empty == 0) [[unlikely]] {
        group.add_overflow(+1);
        continue;
      }
      const auto place = static_cast<unsigned>(std::countr_zero(empty));
      group.set_slot(place, slot);
      group.set_tag(place, tag(hash));
      return;
    }
  });
  count_entries(+1);
}

inline void Index::replace(std::uint64_t hash, Slot from, Slot to) noexcept {
  live_.visit([&](auto* groups) {
    unsigned place = 0;
    place_of(groups, hash, from, place).set_slot(place, to);
  });
}

inline void Index::erase(std::uint64_t hash, Slot slot) noexcept {
  live_.visit([&](auto* groups) {
    unsigned place = 0;
    auto& last = place_of(groups, hash, slot, place);
    last.set_tag(place, 0);
    std::size_t at = home(hash, live_count_);
    while (&groups[at] != &last) [[unlikely]] {
      groups[at].add_overflow(-1);
      at = next(at, live_count_);
    }
  });
  count_entries(-1);
}

template <class Group>
Group& Index::place_of(Group* groups, std::uint64_t hash, Slot slot,
                       unsigned& place) const noexcept {
  for (std::size_t at = home(hash, live_count_);; at = next(at, live_count_)) {
    Group& group = groups[at];
    for (unsigned match = group.matches(tag(hash)); match != 0; match &= match - 1) {
      place = static_cast<unsigned>(std::countr_zero(match));
      if (group.slot(place) == slot) return group;
    }
  }
}

}  // namespace dcache::engine
