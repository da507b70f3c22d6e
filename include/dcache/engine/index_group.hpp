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
    return bytes_equal(low(), high(), wanted) & ((1U << places) - 1);
  }

  Slot slot(unsigned place) const noexcept {
    return numbers_[place].load(std::memory_order_acquire);
  }

  /// How many entries had to go further.
  unsigned overflow() const noexcept { return static_cast<unsigned>(high() >> (8 * last)); }

  // What follows is for the holder of the shard's lock, within a change.

  void set_slot(unsigned place, Slot slot) noexcept {
    numbers_[place].store(static_cast<Number>(slot), std::memory_order_release);
  }

  // Most groups have their tags in the first word: the branch is well predicted.
  void set_tag(unsigned place, std::uint8_t tag) noexcept {
    if (place < 8) [[likely]] {
      low_.store(with_byte(low(), place, tag), std::memory_order_release);
    } else {
      set_high(place - 8, tag);
    }
  }

  /// Past 255 the count is no longer exact and stays.
  void add_overflow(int by) noexcept {
    const unsigned count = overflow();
    if (count == 255) return;
    set_high(last, static_cast<std::uint8_t>(static_cast<int>(count) + by));
  }

  void clear() noexcept {
    low_.store(0, std::memory_order_release);
    high_.store(0, std::memory_order_release);
  }

 private:
  using High = std::conditional_t<(places > 11), std::uint64_t, std::uint32_t>;
  static constexpr unsigned last = sizeof(High) - 1;  // The byte with the count of the overflow.

  DCACHE_HOT std::uint64_t low() const noexcept { return low_.load(std::memory_order_acquire); }
  DCACHE_HOT High high() const noexcept { return high_.load(std::memory_order_acquire); }

  template <class Word>
  static Word with_byte(Word word, unsigned at, std::uint8_t byte) noexcept {
    return (word & ~(Word{0xFF} << (8 * at))) | Word{byte} << (8 * at);
  }
  void set_high(unsigned at, std::uint8_t byte) noexcept {
    high_.store(with_byte(high(), at, byte), std::memory_order_release);
  }

  // One bit a byte that is `wanted`. DCACHE_PORTABLE is for the test of the other way.
  DCACHE_HOT static std::uint32_t bytes_equal(std::uint64_t low, std::uint64_t high,
                                              std::uint8_t wanted) noexcept {
#if defined(__SSE2__) && !defined(DCACHE_PORTABLE)
    using Words = std::uint64_t __attribute__((vector_size(16)));
    using Bytes = char __attribute__((vector_size(16)));
    const Bytes equal =
        std::bit_cast<Bytes>(Words{low, high}) == (Bytes{} + static_cast<char>(wanted));
    return static_cast<std::uint32_t>(__builtin_ia32_pmovmskb128(equal));
#else
    return bytes_equal(low, wanted) | bytes_equal(high, wanted) << 8U;
#endif
  }

  static std::uint32_t bytes_equal(std::uint64_t word, std::uint8_t wanted) noexcept {
    constexpr std::uint64_t ones = 0x0101010101010101U;
    constexpr std::uint64_t low7 = 0x7F7F7F7F7F7F7F7FU;
    const std::uint64_t x = word ^ (ones * wanted);
    const std::uint64_t zero = ~(((x & low7) + low7) | x | low7);  // 0x80 where x's byte is 0.
    return static_cast<std::uint32_t>((zero >> 7U) * 0x0102040810204080U >> 56U);
  }

  // Eight tags, then the others, then, in the last byte, the count of the overflow. A tag of zero
  // is an empty place.
  std::atomic<std::uint64_t> low_{0};
  std::atomic<High> high_{0};
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
    return reinterpret_cast<Group*>(bits_ - kind);  // NOLINT(performance-no-int-to-ptr): one word.
  }

  template <class Use>
  DCACHE_HOT decltype(auto) visit(Use&& use) const {
    return wide() ? use(as<WideGroup>()) : use(as<NarrowGroup>());
  }

 private:
  std::uintptr_t bits_ = 0;
};

}  // namespace dcache::engine
