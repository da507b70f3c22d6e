// SPDX-License-Identifier: MIT
/// One cache line of an index: one-byte tags, the numbers of the slots they stand for, and a count
/// of the entries that wanted to live here and had to go further (F14's layout: Bronson and Shi,
/// 2019).
///
/// Every word is atomic: readers may look while the holder of the shard's lock writes, and see at
/// worst what is out of date.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "dcache/engine/column.hpp"
#include "dcache/engine/hot.hpp"

namespace dcache::engine {

/// `Number`: an unsigned integer that has room for every slot number.
template <class Number, unsigned places_of_group>
class alignas(places_of_group < 12 ? 32 : 64) IndexGroup {
 public:
  static constexpr unsigned places = places_of_group;

  /// How many entries `groups` groups take before they count as full: a good half of their places.
  /// With three quarters one look-up in four met a group that had overflowed: a miss with its
  /// insertion took 2.5 mispredicted branches then, against 0.35, and 105 ns against 82.
  static constexpr std::size_t capacity(std::size_t groups) noexcept {
    return groups * (places * 11 / 10) / 2;
  }
  /// The least number of groups that take `entries`.
  static constexpr std::size_t groups_for(std::size_t entries) noexcept {
    return (2 * entries + places * 11 / 10 - 1) / (places * 11 / 10);
  }

  /// One bit a place whose tag is `wanted`; 0 finds the empty places.
  DCACHE_HOT unsigned matches(std::uint8_t wanted) const noexcept {
    return bytes_equal(word(0), word(1), word(2), tag_words > 3 ? word(tag_words - 1) : 0, wanted) &
           ((1U << places) - 1);
  }

  Slot slot(unsigned place) const noexcept {
    return numbers_[place].load(std::memory_order_acquire);
  }

  /// How many entries had to go further.
  unsigned overflow() const noexcept { return word(tag_words - 1) >> 24U; }

  // What follows is for the holder of the shard's lock, within a change.

  void set_slot(unsigned place, Slot slot) noexcept {
    numbers_[place].store(static_cast<Number>(slot), std::memory_order_release);
  }

  void set_tag(unsigned place, std::uint8_t tag) noexcept { set_byte(place, tag); }

  /// Past 255 the count is no longer exact and stays.
  void add_overflow(int by) noexcept {
    const unsigned count = overflow();
    if (count == 255) return;
    set_byte(4 * tag_words - 1, static_cast<std::uint8_t>(static_cast<int>(count) + by));
  }

  void clear() noexcept {
    for (auto& word : words_) word.store(0, std::memory_order_release);
  }

 private:
  static constexpr unsigned tag_words = (places + 4) / 4;

  DCACHE_HOT std::uint32_t word(unsigned i) const noexcept {
    return words_[i].load(std::memory_order_acquire);
  }

  // Without a branch on where it is: it would be mispredicted every other time.
  void set_byte(unsigned at, std::uint8_t value) noexcept {
    const unsigned shift = at % 4 * 8;
    const std::uint32_t others = word(at / 4) & ~(std::uint32_t{0xFF} << shift);
    words_[at / 4].store(others | std::uint32_t{value} << shift, std::memory_order_release);
  }

  // One bit a byte that is `wanted`. DCACHE_PORTABLE is for the test of the other way.
  DCACHE_HOT static std::uint32_t bytes_equal(std::uint32_t a, std::uint32_t b, std::uint32_t c,
                                              std::uint32_t d, std::uint8_t wanted) noexcept {
#if defined(__SSE2__) && !defined(DCACHE_PORTABLE)
    using Words = std::uint32_t __attribute__((vector_size(16)));
    using Bytes = char __attribute__((vector_size(16)));
    const Bytes equal =
        std::bit_cast<Bytes>(Words{a, b, c, d}) == (Bytes{} + static_cast<char>(wanted));
    return static_cast<std::uint32_t>(__builtin_ia32_pmovmskb128(equal));
#else
    return bytes_equal(a | std::uint64_t{b} << 32U, wanted) |
           bytes_equal(c | std::uint64_t{d} << 32U, wanted) << 8U;
#endif
  }

  static std::uint32_t bytes_equal(std::uint64_t word, std::uint8_t wanted) noexcept {
    constexpr std::uint64_t ones = 0x0101010101010101U;
    constexpr std::uint64_t low7 = 0x7F7F7F7F7F7F7F7FU;
    const std::uint64_t x = word ^ (ones * wanted);
    const std::uint64_t zero = ~(((x & low7) + low7) | x | low7);  // 0x80 where x's byte is 0.
    return static_cast<std::uint32_t>((zero >> 7U) * 0x0102040810204080U >> 56U);
  }

  // Four tags in a word; the last byte of all is the overflow count. A tag of zero is an empty
  // place.
  std::array<std::atomic<std::uint32_t>, tag_words> words_{};
  std::array<std::atomic<Number>, places> numbers_{};
};

/// Half a cache line, for shards of up to 65,536 slots: 5.8 bytes an entry. Against wide groups a
/// hit takes 15 to 20 % less time at 100,000 entries.
using NarrowGroup = IndexGroup<std::uint16_t, 10>;
/// A cache line, for larger ones: 9.8 bytes an entry.
using WideGroup = IndexGroup<Slot, 12>;
static_assert(sizeof(NarrowGroup) == 32 && sizeof(WideGroup) == 64);

/// Where the groups of a table are and, in the lowest bit of the address, of which kind.
class IndexGroups {
 public:
  constexpr IndexGroups() noexcept = default;
  explicit IndexGroups(NarrowGroup* groups) noexcept
      : bits_(reinterpret_cast<std::uintptr_t>(groups)) {}
  explicit IndexGroups(WideGroup* groups) noexcept
      : bits_(reinterpret_cast<std::uintptr_t>(groups) | 1U) {}

  bool wide() const noexcept { return (bits_ & 1U) != 0; }

  /// REQUIRES: it is of this kind.
  template <class Group>
  DCACHE_HOT Group* as() const noexcept {
    constexpr std::uintptr_t kind = std::is_same_v<Group, WideGroup> ? 1 : 0;
    return reinterpret_cast<Group*>(bits_ - kind);
  }

  template <class Use>
  DCACHE_HOT decltype(auto) visit(Use&& use) const {
    return wide() ? use(as<WideGroup>()) : use(as<NarrowGroup>());
  }

 private:
  std::uintptr_t bits_ = 0;
};

}  // namespace dcache::engine
