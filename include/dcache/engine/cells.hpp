// SPDX-License-Identifier: MIT
/// Where keys and values live: one cell a slot, in one of two kinds.
///
/// *Plain* cells hold what can be copied word by word; a reader copies and then asks the shard's
/// version whether to believe the copy. *Pinned* cells hold anything; a reader pins a cell (one
/// atomic step in, one out, as RocksDB's HyperClockCache), and a pinned cell is neither changed nor
/// destroyed: an entry that is removed meanwhile is only detached, and its last reader buries it.
/// Neither kind runs user code under the shard's lock.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include "dcache/engine/bias.hpp"
#include "dcache/engine/column.hpp"
#include "dcache/engine/hot.hpp"
#include "dcache/engine/traits.hpp"

namespace dcache::engine {

/// A plain key and value as the words that readers and writers exchange.
template <class Key, class Value>
struct PlainPair {
  struct Pair {
    Key key;
    Value value;
  };
  using Word = std::conditional_t<
      alignof(Pair) >= 8, std::uint64_t,
      std::conditional_t<alignof(Pair) == 4, std::uint32_t,
                         std::conditional_t<alignof(Pair) == 2, std::uint16_t, std::uint8_t>>>;
  template <class Part>  // NOLINTNEXTLINE(bugprone-sizeof-expression): a part may be one word.
  static constexpr std::size_t words_of = sizeof(Part) / sizeof(Word);
  static constexpr std::size_t words = words_of<Pair>;
  using Raw = std::array<std::atomic<Word>, words>;

  std::array<Word, words> raw;

  // Spelled out: a loop, where gcc keeps it, keeps the words in memory too.
  DCACHE_HOT void load(const Raw& from) noexcept {
    [&]<std::size_t... I>(std::index_sequence<I...>) DCACHE_HOT_LAMBDA {
      ((raw[I] = from[I].load(std::memory_order_acquire)), ...);
    }(std::make_index_sequence<words>{});
  }
  DCACHE_HOT void copy(const PlainPair& from) noexcept {
    [&]<std::size_t... I>(std::index_sequence<I...>)
        DCACHE_HOT_LAMBDA { ((raw[I] = from.raw[I]), ...); }(std::make_index_sequence<words>{});
  }
  static void store(Raw& to, const Key& key, const Value& value) noexcept {
    if constexpr (whole_words) {
      store_part<0>(to, key);
      store_part<words_of<Key>>(to, value);
    } else {
      store_part<0>(to, Pair{key, value});
    }
  }
  DCACHE_HOT Key key() const noexcept {
    if constexpr (whole_words) return part<Key, 0>();
    return std::bit_cast<Pair>(raw).key;
  }
  DCACHE_HOT Value value() const noexcept {
    if constexpr (whole_words) return part<Value, words_of<Key>>();
    return std::bit_cast<Pair>(raw).value;
  }

 private:
  // And nothing between them or behind.
  static constexpr bool whole_words = sizeof(Key) % sizeof(Word) == 0 &&
                                      sizeof(Value) % sizeof(Word) == 0 &&
                                      sizeof(Pair) == sizeof(Key) + sizeof(Value);

  template <std::size_t first, class Part>
  DCACHE_HOT static void store_part(Raw& to, const Part& part) noexcept {
    constexpr std::size_t count = words_of<Part>;
    const auto from = std::bit_cast<std::array<Word, count>>(part);
    [&]<std::size_t... I>(std::index_sequence<I...>) DCACHE_HOT_LAMBDA {
      (to[first + I].store(from[I], std::memory_order_release), ...);
    }(std::make_index_sequence<count>{});
  }

  // Word by word, for the same reason.
  template <class Part, std::size_t first>
  DCACHE_HOT Part part() const noexcept {
    return [this]<std::size_t... I>(std::index_sequence<I...>) DCACHE_HOT_LAMBDA {
      return std::bit_cast<Part>(std::array<Word, sizeof...(I)>{raw[first + I]...});
    }(std::make_index_sequence<words_of<Part>>{});
  }
};

/// Cells read by copying. REQUIRES: plain_entry.
template <class Key, class Value>
class PlainCells {
 public:
  using Pair = PlainPair<Key, Value>;

  struct Cell {
    typename Pair::Raw raw{};
  };
  static constexpr std::size_t cell_size = sizeof(Cell);

  explicit PlainCells(Layout layout) noexcept : cells_(layout) {}

  void cover(std::size_t slots) { cells_.cover(slots); }

  Place place(Slot slot) const noexcept { return cells_.place(slot); }

  /// A copy that may be torn unless the version says otherwise; its words are defined anyhow.
  DCACHE_HOT Pair copy(Place place) const noexcept {
    Pair pair;
    pair.load(cells_.at(place).raw);
    return pair;
  }
  Pair copy(Slot slot) const noexcept { return copy(place(slot)); }

  DCACHE_HOT void prefetch(Slot slot) const noexcept { __builtin_prefetch(&cells_.held(slot), 1); }

  /// REQUIRES: the shard's lock and an odd version.
  void fill(Slot slot, const Key& key, const Value& value) noexcept {
    Pair::store(cells_.held(slot).raw, key, value);
  }

 private:
  Column<Cell> cells_;
};

/// The alignment that keeps a small cell within one cache line. Larger ones are left packed: at 56
/// bytes padding to a line cost more in footprint than it saved.
constexpr std::size_t cell_alignment(std::size_t size) noexcept {
  return size > 32 ? alignof(std::uint64_t) : std::max<std::size_t>(8, std::bit_ceil(size));
}

/// Cells read by pinning. Keys and values of any type; those whose move is the user's code are
/// boxed. `hashed`: the hash is kept beside the key, so that a probe compares few keys and an
/// eviction runs no hash of the user's.
template <class HeldKey, class HeldValue, bool hashed>
class PinnedCells {
 public:
  /// One entry. It never moves, so whoever has it pinned may keep its address.
  class Cell {
   public:
    decltype(auto) key() const noexcept { return held_key().get(); }
    const auto& value() const noexcept { return held_value().get(); }
    const HeldKey& held_key() const noexcept {
      return *std::launder(reinterpret_cast<const HeldKey*>(key_.data()));
    }
    HeldKey& held_key() noexcept { return *std::launder(reinterpret_cast<HeldKey*>(key_.data())); }

    /// Whether an entry of this hash lives here, or did a moment ago.
    DCACHE_HOT bool may_be(std::uint64_t hash) const noexcept {
      if constexpr (hashed) {
        return this->hash() == hash;
      } else {
        return true;  // The key says it as fast.
      }
    }
    std::uint64_t hash() const noexcept { return hash_.value.load(std::memory_order_acquire); }

    /// False: nothing lives here. True: key and value stay as they are until `unpin`. `alone`: as
    /// the shard's bias says.
    DCACHE_HOT bool pin(bool alone) noexcept {
      std::uint32_t seen = state_.load(std::memory_order_relaxed);
      if (alone) {
        if ((seen & live) == 0) return false;
        state_.store(seen + 1, std::memory_order_relaxed);
        return true;
      }
      while ((seen & live) != 0) {
        if (state_.compare_exchange_weak(seen, seen + 1, std::memory_order_acquire,
                                         std::memory_order_relaxed)) [[likely]] {
          return true;
        }
      }
      return false;
    }

    /// True: the entry was detached meanwhile and this was its last pin. The caller buries it.
    DCACHE_HOT bool unpin(bool alone) noexcept { return subtract(1, alone) == (detached | 1U); }

   private:
    friend class PinnedCells;

    struct Hashed {
      std::atomic<std::uint64_t> value{0};
    };
    struct Hashless {};

    const HeldValue& held_value() const noexcept {
      return *std::launder(reinterpret_cast<const HeldValue*>(value_.data()));
    }
    HeldValue& held_value() noexcept {
      return *std::launder(reinterpret_cast<HeldValue*>(value_.data()));
    }

    // What was there before.
    DCACHE_HOT std::uint32_t subtract(std::uint32_t less, bool alone) noexcept {
      if (!alone) return state_.fetch_sub(less, std::memory_order_acq_rel);
      const std::uint32_t seen = state_.load(std::memory_order_relaxed);
      state_.store(seen - less, std::memory_order_relaxed);
      return seen;
    }

    static constexpr std::size_t size = (hashed ? 16 : 8) + sizeof(HeldKey) + sizeof(HeldValue);

    // live or detached, and the number of pins. Key and value are no atomics: `fill` releases them
    // to whoever pins, each `unpin` releases its reading to whoever buries, and `destroy` is
    // ordered before the next `fill` by the giving back of the slot.
    alignas(cell_alignment(size)) std::atomic<std::uint32_t> state_{0};
    [[no_unique_address]] std::conditional_t<hashed, Hashed, Hashless> hash_;
    alignas(HeldKey) std::array<std::byte, sizeof(HeldKey)> key_;
    alignas(HeldValue) std::array<std::byte, sizeof(HeldValue)> value_;
  };

  static constexpr std::size_t cell_size = sizeof(Cell);

  explicit PinnedCells(Layout layout) noexcept : cells_(layout) {}

  void cover(std::size_t slots) { cells_.cover(slots); }
  Place place(Slot slot) const noexcept { return cells_.place(slot); }
  DCACHE_HOT Cell& at(Place place) const noexcept { return cells_.at(place); }
  Cell& at(Slot slot) const noexcept { return cells_[slot]; }
  DCACHE_HOT void prefetch(Slot slot) const noexcept { __builtin_prefetch(&cells_.held(slot), 1); }

  /// The same of what it owns. REQUIRES: the cell was fetched; the shard's lock.
  DCACHE_HOT void prefetch_owned(Slot slot) const noexcept {
    cells_.held(slot).held_value().prefetch_owned();
  }

  /// No new pins. True: nobody has it pinned, the caller buries it. Else the last reader does.
  bool detach(Slot slot, bool alone) noexcept {
    return cells_[slot].subtract(live - detached, alone) == live;
  }

  /// The same if nobody has it pinned; else false, and nothing has changed.
  DCACHE_HOT bool detach_unread(Slot slot, bool alone) noexcept {
    std::atomic<std::uint32_t>& state = cells_[slot].state_;
    std::uint32_t expected = live;
    if (!alone) {
      return state.compare_exchange_strong(expected, detached, std::memory_order_acq_rel,
                                           std::memory_order_relaxed);
    }
    if (state.load(std::memory_order_relaxed) != live) return false;
    state.store(detached, std::memory_order_relaxed);
    return true;
  }

  /// Key and value of an entry that has left its cell.
  struct Contents {
    explicit Contents(Cell& cell) noexcept
        : key(std::move(cell.held_key())), value(std::move(cell.held_value())) {}
    HeldKey key;
    HeldValue value;
  };

  /// Empties the cell: its slot is free. Runs no code of the user's, now or when what was moved
  /// from is destroyed. They go to where they will be: read again right after they were written,
  /// the two halves of a `shared_ptr` cost 3 ns. REQUIRES: detached, no pins; `to` is empty.
  void take(Slot slot, std::optional<Contents>& to) noexcept {
    to.emplace(cells_[slot]);
    destroy(slot);
  }

  /// REQUIRES: the slot is claimed; the shard's lock.
  template <class Offered>
  void fill(Slot slot, std::uint64_t hash, HeldKey&& key, Offered&& value) noexcept {
    Cell& cell = cells_[slot];
    if constexpr (hashed) cell.hash_.value.store(hash, std::memory_order_release);
    ::new (static_cast<void*>(cell.key_.data())) HeldKey(std::move(key));
    ::new (static_cast<void*>(cell.value_.data())) HeldValue(std::forward<Offered>(value));
    cell.state_.store(live, std::memory_order_release);
  }

  /// Runs the destructors. REQUIRES: detached, no pins, no lock held unless they are moved from.
  void destroy(Slot slot) noexcept {
    Cell& cell = cells_[slot];
    std::destroy_at(&cell.held_value());
    std::destroy_at(&cell.held_key());
    cell.state_.store(0, std::memory_order_release);
  }

  /// Whatever was there is gone without its destructor (a fork caught it half-way). False: somebody
  /// has it pinned, and buries it.
  bool abandon(Slot slot) noexcept {
    std::atomic<std::uint32_t>& state = cells_[slot].state_;
    std::uint32_t seen = state.load(std::memory_order_relaxed);
    std::uint32_t pins = 0;
    do {
      pins = seen & ~(live | detached);
    } while (!state.compare_exchange_weak(seen, pins == 0 ? 0 : detached | pins,
                                          std::memory_order_acq_rel, std::memory_order_relaxed));
    return pins == 0;
  }

 private:
  static constexpr std::uint32_t live = 1U << 31U;
  static constexpr std::uint32_t detached = 1U << 30U;

  Column<Cell> cells_;
};

}  // namespace dcache::engine
