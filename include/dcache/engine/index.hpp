// SPDX-License-Identifier: MIT
/// From hashes to slots: an open-addressing table of groups, each one cache line.
///
/// A group holds twelve one-byte tags, twelve slot numbers and a count of the entries that wanted
/// to live here and had to go further (F14's layout: Bronson and Shi, 2019). A look-up that finds
/// that count at zero is done, so erasing leaves no tombstones. It never sees a key: candidates are
/// offered to the caller, who compares.
///
/// Reading is lock-free and may run while the shard's lock holder writes: every word is atomic, so
/// what is read is at worst out of date. The reader finds out from the shard's version.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "dcache/engine/column.hpp"
#include "dcache/engine/hot.hpp"

namespace dcache::engine {

class Index {
 public:
  /// Entries in a group, on average, at which the index counts as full. With 9 one in four look-ups
  /// met a group that had overflowed: a miss with its insertion took 2.5 mispredicted branches,
  /// against 0.35 now, and 105 ns against 82. It costs two bytes an entry.
  static constexpr std::size_t group_load = 7;
  static constexpr unsigned group_size = 12;

  /// What `first` says when only `find` can tell.
  static constexpr Slot further = no_slot - 1;

  /// The first slot in the home group of `hash` whose tag fits; `no_slot` if no entry has this
  /// hash; else `further`. The whole of nearly every look-up, without a loop.
  DCACHE_HOT Slot first(std::uint64_t hash) const noexcept {
    const Group& group = home_group(hash);
    const unsigned match = matches(group, tag(hash));
    if (match != 0) [[likely]] {
      const auto place = static_cast<unsigned>(std::countr_zero(match));
      return group.slots[place].load(std::memory_order_acquire);
    }
    return overflow(group) == 0 ? no_slot : further;
  }

  /// Offers to `accept(slot)` every slot whose tag fits, until it returns true.
  /// Returns that slot, or `no_slot`.
  template <class Accept>
  Slot find(std::uint64_t hash, Accept&& accept) const {
    const std::size_t count = count_.load(std::memory_order_acquire);
    const Group* const groups = groups_.load(std::memory_order_acquire);
    std::size_t at = home(hash, count);
    for (std::size_t left = count; left > 0; --left) {
      const Group& group = groups[at];
      for (unsigned match = matches(group, tag(hash)); match != 0; match &= match - 1) {
        const auto place = static_cast<unsigned>(std::countr_zero(match));
        const Slot slot = group.slots[place].load(std::memory_order_acquire);
        if (accept(slot)) return slot;
      }
      if (overflow(group) == 0) return no_slot;
      at = at + 1 == count ? 0 : at + 1;
    }
    return no_slot;
  }

  /// Fetches the group of `hash` into the core's cache.
  void prefetch(std::uint64_t hash) const noexcept { __builtin_prefetch(&home_group(hash), 1); }

  // What follows REQUIRES the shard's lock, and the writes an odd version.

  /// True: `insert` of one more entry has a place without growing.
  bool has_room() const noexcept { return size_ < room_; }

  std::size_t size() const noexcept { return size_; }

  /// A larger table with `groups` groups, still empty and not in use. Throws std::bad_alloc.
  /// Separate from `adopt` because allocating may fail and adopting may not.
  void prepare(std::size_t groups);

  /// Moves every entry into the prepared table and uses it from now on.
  /// `hash_of(context, slot)` is our own code: it runs no hash of the user's.
  void adopt(std::uint64_t (*hash_of)(const void*, Slot) noexcept, const void* context) noexcept;

  /// How many groups the next table should have for an index that shall hold `entries_max`.
  std::size_t next_groups(std::size_t entries_max) const noexcept;

  /// REQUIRES: has_room(), and the slot is not in the index.
  void insert(std::uint64_t hash, Slot slot) noexcept;

  /// The entry of `from` is that of `to` from now on. REQUIRES: `from` is in the index.
  void replace(std::uint64_t hash, Slot from, Slot to) noexcept;

  /// REQUIRES: `slot` is in the index.
  void erase(std::uint64_t hash, Slot slot) noexcept;

  void clear() noexcept;

 private:
  // The first word has tags 0 to 7; the second tags 8 to 11 and, in its last byte, the overflow
  // count. A tag of zero is an empty place.
  struct alignas(64) Group {
    std::array<std::atomic<std::uint64_t>, 2> words{};
    std::array<std::atomic<Slot>, group_size> slots{};
  };
  static_assert(sizeof(Group) == 64);

  // The shard is told from the highest bits and the tag from the lowest: the group takes those
  // between (fastrange, Lemire 2019, so that the number of groups may be any).
  static std::size_t home(std::uint64_t hash, std::size_t count) noexcept {
    return static_cast<std::size_t>(((hash >> 24U & 0xFFFFFFFFU) * count) >> 32U);
  }

  // The count first: tables only grow, so every group of a count is in the table that is loaded
  // after it.
  const Group& home_group(std::uint64_t hash) const noexcept {
    const std::size_t count = count_.load(std::memory_order_acquire);
    return groups_.load(std::memory_order_acquire)[home(hash, count)];
  }

  static std::uint8_t tag(std::uint64_t hash) noexcept {
    const auto low = static_cast<std::uint8_t>(hash);
    return low == 0 ? std::uint8_t{1} : low;
  }

  static unsigned overflow(const Group& group) noexcept {
    return static_cast<unsigned>(group.words[1].load(std::memory_order_acquire) >> 56U);
  }

  DCACHE_HOT static unsigned matches(const Group& group, std::uint8_t wanted) noexcept {
    return matches(group.words[0].load(std::memory_order_acquire),
                   group.words[1].load(std::memory_order_acquire), wanted);
  }

  // One bit a place whose tag is `wanted`. DCACHE_PORTABLE is for the test of the other way.
  static unsigned matches(std::uint64_t low, std::uint64_t high, std::uint8_t wanted) noexcept {
#if defined(__SSE2__) && !defined(DCACHE_PORTABLE)
    using Words = long long __attribute__((vector_size(16)));
    using Bytes = char __attribute__((vector_size(16)));
    const Words words{static_cast<long long>(low), static_cast<long long>(high)};
    const Bytes equal = std::bit_cast<Bytes>(words) == (Bytes{} + static_cast<char>(wanted));
    return static_cast<unsigned>(__builtin_ia32_pmovmskb128(equal)) & 0xFFFU;
#else
    return (bytes_equal(low, wanted) | bytes_equal(high, wanted) << 8U) & 0xFFFU;
#endif
  }

  // Portable: the bytes of `word` that equal `wanted`, as eight bits.
  static unsigned bytes_equal(std::uint64_t word, std::uint8_t wanted) noexcept {
    constexpr std::uint64_t ones = 0x0101010101010101U;
    constexpr std::uint64_t low7 = 0x7F7F7F7F7F7F7F7FU;
    const std::uint64_t x = word ^ (ones * wanted);
    const std::uint64_t zero = ~(((x & low7) + low7) | x | low7);  // 0x80 where x's byte is 0.
    return static_cast<unsigned>((zero >> 7U) * 0x0102040810204080U >> 56U);
  }

  static void set_tag(Group& group, unsigned place, std::uint8_t tag) noexcept;
  static void add_overflow(Group& group, int by) noexcept;
  Group& place_of(std::uint64_t hash, Slot slot, unsigned& place) noexcept;
  std::size_t next(std::size_t at) const noexcept { return at + 1 == live_count_ ? 0 : at + 1; }

  static const Group nothing;  // For every index that has no table yet.

  std::atomic<const Group*> groups_{&nothing};
  std::atomic<std::size_t> count_{1};
  // The same for the holder of the lock, who may write; nothing at first.
  Group* live_ = nullptr;
  std::size_t live_count_ = 0;
  std::size_t size_ = 0;
  std::size_t room_ = 0;
  std::size_t prepared_ = 0;  // How many groups the last of `tables_` has.
  // Readers may be in an old table: all of them stay. Each is an eighth of the next, so together
  // the old ones take a seventh of the last.
  std::vector<std::unique_ptr<Group[]>> tables_;
};

}  // namespace dcache::engine
