// SPDX-License-Identifier: MIT
/// One shard of a near tier: a roster and the cells of its entries.
///
/// A look-up takes no lock. A change takes the shard's lock for a short passage of our own code.
/// User code (hash, equality, copies, destructors, the removal listener) runs only while no lock is
/// held and the shard is consistent, so it may throw and may call back into the same table:
/// - equality of the user's judges a pinned entry, before the lock is taken (`Verdicts`);
/// - what leaves is collected in `Graves`, and told to the listener and destroyed after the lock is
///   released. A plain entry needs no destroying: its slot is free at once.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "dcache/engine/cells.hpp"
#include "dcache/engine/hot.hpp"
#include "dcache/engine/monitor.hpp"
#include "dcache/engine/roster.hpp"
#include "dcache/engine/traits.hpp"
#include "dcache/stats.hpp"

namespace dcache::engine {

/// What a shard needs to know of its table. Outlives the shard.
template <class Key, class Value>
struct ShardRules {
  RosterOptions roster;
  bool guarded = false;  // Nobody else is in the table: no lock is taken.
  // The table is larger than what a core has to itself: what a change will touch is fetched ahead.
  bool fetches_ahead = true;
  Monitor monitor{0};
  std::function<void(const Key&, const Value&, Cause)> on_removal;
  std::atomic<std::uint64_t> weight_used{0};
  std::atomic<std::uint64_t> listener_errors{0};
};

/// What a look-up of a plain entry brings back: a copy.
template <class Key, class Value>
class CopiedLook {
 public:
  using Pair = PlainPair<Key, Value>;

  CopiedLook() noexcept = default;
  CopiedLook(CopiedLook&& other) noexcept { take(other); }
  CopiedLook& operator=(CopiedLook&& other) noexcept {
    if (this != &other) take(other);
    return *this;
  }
  ~CopiedLook() = default;

  explicit operator bool() const noexcept { return place_.slot != no_slot; }
  Place place() const noexcept { return place_; }
  Key key() const noexcept { return pair_.key(); }
  Value value() const noexcept { return pair_.value(); }

  DCACHE_HOT void set(Place place, const Pair& pair) noexcept {
    place_ = place;
    pair_.copy(pair);
  }
  DCACHE_HOT void take(CopiedLook& other) noexcept {
    set(other.place_, other.pair_);
    other.reset();
  }
  void reset() noexcept { place_.slot = no_slot; }

 private:
  Place place_;
  Pair pair_;
};

/// What a look-up of any other entry brings back: it stays as it is until this lets go.
template <class Shard, class Cell>
class PinnedLook {
 public:
  PinnedLook() noexcept = default;
  /// REQUIRES: the caller has pinned the cell.
  PinnedLook(Shard& shard, Place place, Cell& cell) noexcept
      : shard_(&shard), cell_(&cell), place_(place) {}
  PinnedLook(PinnedLook&& other) noexcept
      : shard_(other.shard_), cell_(std::exchange(other.cell_, nullptr)), place_(other.place_) {}
  PinnedLook& operator=(PinnedLook&& other) noexcept {
    if (this == &other) return *this;
    reset();
    take(other);
    return *this;
  }
  DCACHE_HOT ~PinnedLook() { reset(); }

  explicit operator bool() const noexcept { return cell_ != nullptr; }
  /// REQUIRES: not empty; so do the next two.
  Place place() const noexcept { return place_; }
  decltype(auto) key() const noexcept { return cell_->key(); }
  const auto& value() const noexcept { return cell_->value(); }

  /// REQUIRES: this is empty.
  DCACHE_HOT void take(PinnedLook& other) noexcept {
    shard_ = other.shard_;
    cell_ = std::exchange(other.cell_, nullptr);
    place_ = other.place_;
  }
  DCACHE_HOT void reset() noexcept {
    if (cell_ == nullptr) return;
    Cell& cell = *std::exchange(cell_, nullptr);
    if (shard_->unpin(cell)) [[unlikely]]
      shard_->bury(place_.slot);
  }

 private:
  Shard* shard_ = nullptr;
  Cell* cell_ = nullptr;
  Place place_;
};

/// How a store ended.
enum class Stored : std::uint8_t {
  inserted,
  replaced,
  refused,   // The guard was set: something has invalidated this value.
  rejected,  // No memory, or equality that never came to a verdict.
};

template <class Key, class Value, class Hasher, class Equal>
class Shard {
 public:
  static constexpr bool plain = plain_entry<Key, Value, Hasher, Equal>;
  using Rules = ShardRules<Key, Value>;
  using KeyHeld = HeldKey<Key, Equal>;
  static constexpr bool text =
      std::is_same_v<KeyHeld, ShortText> && std::is_same_v<Hasher, Hash<Key>>;
  static constexpr bool hashed = !text && !quiet_hash<Key, Hasher>;
  using Pinned = PinnedCells<KeyHeld, Held<Value>, hashed>;

  explicit Shard(Rules& rules)
      : Shard(rules, Layout::of(rules.roster.entries_max, rules.roster.buried, Cells::cell_size)) {}

  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;
  ~Shard();

  /// An entry that was found, and stays readable while this lives: a copy, or a pin.
  using Look =
      std::conditional_t<plain, CopiedLook<Key, Value>, PinnedLook<Shard, typename Pinned::Cell>>;

  struct Warm {
    std::uint64_t rank = 0;  // The hottest has the least.
    Look look;
  };

  struct Found {
    Look look;
    Terms terms;
  };

  /// Looks for the entry of `view`, expired or not. Runs the user's equality; passes on what it
  /// throws. `found` must not have its address taken anywhere near: kept in registers a hit takes
  /// 9 ns less (gcc 12 copies such structures through vector registers, which stall on words that
  /// were just written).
  template <class View>
  DCACHE_HOT void find(const View& view, std::uint64_t hash, Found& found) {
    const std::uint32_t version = roster_.version();
    const Slot first = roster_.index().first(hash);
    if (first < Index::further) [[likely]] {
      if (take(first, view, hash, found) && (!plain || roster_.still(version))) [[likely]]
        return;
    } else if (first == no_slot && roster_.still(version)) {
      return;
    }
    Found further;
    find_further(view, hash, further);
    found.look.take(further.look);
    found.terms.dies = further.terms.dies;
    found.terms.review = further.terms.review;
  }

  /// A hit on what was found: tells the policy. First the part that needs no time and is no harm if
  /// what was found has expired: a hit that reads the clock then has less to keep meanwhile.
  DCACHE_HOT void touch(Place place) noexcept { roster_.touch(place); }
  /// And the rest, of exact LRU and of idle times; `now` only matters with these.
  DCACHE_HOT void touch_rest(Place place, Moment now) noexcept {
    if (eager_hits_) [[unlikely]]
      touch_eagerly(place, now);
  }
  Place place(Slot slot) const noexcept { return cells_.place(slot); }

  /// True: this was the last pin of an entry that has left; the caller buries it.
  template <class Cell>
  DCACHE_HOT bool unpin(Cell& cell) noexcept {
    return bias_.run([&cell](bool alone) DCACHE_HOT_LAMBDA { return cell.unpin(alone); });
  }
  /// Tells the listener, destroys key and value, gives the slot back. REQUIRES: a pinned entry that
  /// has left, nobody has it pinned, and no lock is held. For graves and for the last of the looks.
  [[gnu::noinline]] void bury(Slot slot) noexcept;

  /// Stores, unless `*detached` is set (looked at under the lock). Replaces an entry of that key.
  /// `absent`: there is none, as only the caller of a guarded table can know.
  DCACHE_FLAT Stored store(KeyHeld&& key, Offered<Value>&& value, const Arrival& arrival,
                           const std::atomic<bool>* detached, bool absent);

  /// Removes the entry of `view` (with `expired_at`: only if its time had passed by then).
  /// True: there was one.
  template <class View>
  bool remove(const View& view, std::uint64_t hash, Cause cause, Moment expired_at = no_moment);

  /// Moves the moment of the next closer look.
  template <class View>
  void set_review(const View& view, std::uint64_t hash, Moment review);

  /// Evicts one entry that weighs something. False: there is none.
  bool evict_one();

  /// The weight of the entry of `view`; 0 if there is none.
  template <class View>
  std::uint32_t weight(const View& view, std::uint64_t hash);

  /// Removes every entry whose time has passed. O(n). REQUIRES: timed().
  void sweep(Moment now);

  /// Calls `use` with the weight of what is stored, with the lock held.
  template <class Use>
  void with_weight(Use&& use);

  /// Calls `visit(key, value)` for every entry, with the lock held.
  template <class Visit>
  void for_each(Visit& visit);

  /// Removes what was there before the call, and perhaps of what came since.
  void clear();
  void set_entries_max(std::size_t entries_max);
  void set_weight_share(std::uint64_t share);

  /// Everything here that lives at `now`, hottest first.
  std::vector<Warm> hottest(Moment now);

  std::size_t size() const noexcept { return roster_.size(); }
  std::uint64_t removed(Cause cause) const noexcept {
    return removed_[static_cast<std::size_t>(cause)].load(std::memory_order_relaxed);
  }
  std::uint64_t inserted() const noexcept { return inserted_.load(std::memory_order_relaxed); }
  bool timed() const noexcept { return roster_.timed(); }

 private:
  using Cells = std::conditional_t<plain, PlainCells<Key, Value>, Pinned>;

  // How often a reader tries without the lock, and a writer with equality of the user's that
  // changes the table, before they settle for the lock, or for a miss.
  static constexpr std::size_t tries_max = 32;
  // Expired entries that one operation removes on its way.
  static constexpr std::size_t sweep_batch = 16;
  static constexpr std::size_t sweep_steps = 64;
  // Entries that one passage under the lock removes, where a listener is told copies of them.
  static constexpr std::size_t removals_max = sweep_batch + 8;
  // Entries that one passage looks at: a bound for how long others wait.
  static constexpr Slot batch = 256;

  class Locked;
  class PinnedGraves;
  class CopiedGraves;
  using Graves = std::conditional_t<plain, CopiedGraves, PinnedGraves>;
  class Verdicts;

  Shard(Rules& rules, Layout layout)
      : rules_(rules),
        eager_hits_(rules.roster.policy == Policy::lru || rules.roster.idle != 0),
        cells_(layout),
        roster_(rules.roster, layout) {}

  static std::uint64_t hash_of(const void* self, Slot slot) noexcept;

  // True: the entry in this slot is that of `view`; a plain one only if the version says so, too.
  template <class View>
  DCACHE_HOT bool take(Slot slot, const View& view, std::uint64_t hash, Found& found) {
    const Place place = cells_.place(slot);
    if constexpr (plain) {
      const auto copy = cells_.copy(place);
      if (!Equal{}(copy.key(), view)) return false;
      found.look.set(place, copy);
    } else {
      auto& cell = cells_.at(place);
      if (!cell.may_be(hash) || !pin(cell)) return false;
      Look pinned(*this, place, cell);
      // The slot may have gone to another entry before it was pinned.
      if (!cell.may_be(hash) || !Equal{}(cell.key(), view)) return false;
      found.look.take(pinned);
    }
    if (const std::uint8_t times = roster_.times(); times != 0) {
      const Terms terms = roster_.terms(place, times);
      found.terms.dies = terms.dies;
      found.terms.review = terms.review;
    }
    return true;
  }
  template <class Cell>
  DCACHE_HOT bool pin(Cell& cell) noexcept {
    return bias_.run([&cell](bool alone) DCACHE_HOT_LAMBDA { return cell.pin(alone); });
  }
  template <class View>
  bool walk(const View& view, std::uint64_t hash, Found& found);
  template <class View>
  [[gnu::noinline]] void find_further(const View& view, std::uint64_t hash, Found& found);
  void touch_eagerly(Place place, Moment now) noexcept;
  [[gnu::noinline]] void make_room(const Arrival& arrival);
  struct Match {
    Slot slot = no_slot;
    bool judged = true;  // False: of the same hash, but the user's equality must say.
  };
  template <class View>
  DCACHE_HOT Match match(const View& view, std::uint64_t hash, const Verdicts* verdicts);
  template <class View, class Use>
  DCACHE_HOT bool with_match(const View& view, std::uint64_t hash, Use&& use, bool absent = false);
  template <class View, class Use>
  bool with_judged_match(const View& view, std::uint64_t hash, Use& use);
  Look pin_held(Slot slot);
  void sweep_some(Moment now, std::size_t most, std::size_t& steps, Slot keep,
                  Graves& graves) noexcept;
  DCACHE_HOT Slot evict(Victim victim, Graves& graves) noexcept;
  DCACHE_HOT Victim victim_for_slot(bool reused = false) noexcept;
  void release(Slot slot) noexcept {
    if (slot != no_slot) roster_.release(slot);
  }
  DCACHE_HOT void foresee() noexcept;
  void drop(Slot slot, std::uint64_t hash, Cause cause, Graves& graves) noexcept;
  DCACHE_HOT Slot retire(Slot slot, Cause cause, Graves& graves) noexcept;
  DCACHE_HOT Stored commit(Slot old, KeyHeld& key, Offered<Value>& value, const Arrival& arrival,
                           Graves& graves) noexcept;
  DCACHE_HOT Slot vacate(Graves& graves) noexcept;
  template <class Due>
  void remove_all(Cause cause, Due&& due);
  template <class HeldKey>
  void tell(const HeldKey& key, const Value& value, Cause cause) noexcept;

  static void count(std::atomic<std::uint64_t>& counter) noexcept {  // Under the lock.
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  // A hit reads the first cache line of this and the first of the roster.
  Rules& rules_;
  const bool eager_hits_;  // A hit has more to do than to mark its entry as used.
  bool alone_ = false;     // Under the lock: whether its holder has entered the bias.
  Bias bias_;
  Cells cells_;
  Roster roster_;
  std::atomic<std::uint64_t> inserted_{0};
  std::array<std::atomic<std::uint64_t>, causes> removed_{};
};

}  // namespace dcache::engine

#include "dcache/engine/shard_impl.hpp"
#include "dcache/engine/shard_store_impl.hpp"
