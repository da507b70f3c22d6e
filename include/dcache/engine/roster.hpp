// SPDX-License-Identifier: MIT
/// Who is in a shard: everything about its entries except their keys and values.
///
/// The roster deals in slots and hashes. It finds (index), decides who leaves (queues, ghost),
/// knows when an entry dies (times, wheel), what it weighs, and which slots are free. The typed
/// table above it owns the cells with keys and values and is the only one to run user code.
///
/// Two faces. *Readers* hold no lock: they note `version()`, read, and believe what they read only
/// if the version is even and still the same (a sequence lock; Lameter 2005, Boehm 2012). All that
/// they read is atomic, stores are releases and loads acquires, so there is no data race and no
/// fence. *The holder of `lock`* may do the rest; what readers see changes only between
/// `begin_change` and `end_change`.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "dcache/engine/column.hpp"
#include "dcache/engine/ghost.hpp"
#include "dcache/engine/hot.hpp"
#include "dcache/engine/index.hpp"
#include "dcache/engine/lock.hpp"
#include "dcache/engine/nodes.hpp"
#include "dcache/engine/queues.hpp"
#include "dcache/engine/wheel.hpp"

namespace dcache::engine {

/// Milliseconds of a table's clock. Absolute, unlike a `Tick`.
using Moment = std::uint64_t;
inline constexpr Moment no_moment = ~Moment{0};

/// When an entry dies, and from when a hit should be looked at more closely (a refresh is due, or
/// the entry is stale): up to `review` it may be returned without a question.
struct Terms {
  Moment dies = no_moment;
  Moment review = no_moment;
};

/// What comes with an entry besides its key and value.
struct Arrival {
  std::uint64_t hash = 0;
  std::uint32_t weight = 0;  // Only where there are weights.
  Terms terms;
  Moment now = 0;  // Only with a deadline or an idle time, here or on any entry of the shard.
};

/// How a roster is made.
struct RosterOptions {
  std::size_t entries_max = 0;  // > 0; may be the largest number there is.
  Policy policy = Policy::adaptive;
  bool weighted = false;
  std::uint64_t weight_share = 0;  // With weights: this shard's fair part of the bound.
  bool buried = false;  // What leaves is buried without the lock, so its slot comes back later.
  Moment idle = 0;      // A hit postpones death to this long after it; 0: hits postpone nothing.
};

class alignas(64) Roster {
 public:
  /// `layout`: that of the cells, too.
  Roster(const RosterOptions& options, Layout layout);

  // --- Readers ---

  /// Even: of a change that is under way, the version before it, which will not be again.
  std::uint32_t version() const noexcept { return version_.load(std::memory_order_acquire) & ~1U; }
  /// True: nothing has changed since `version`, so what was read meanwhile is so.
  bool still(std::uint32_t version) const noexcept {
    return version_.load(std::memory_order_acquire) == version;
  }
  const Index& index() const noexcept { return index_; }

  /// Which times some entry has had; zero: none, so nobody need look at them.
  std::uint8_t times() const noexcept { return times_.load(std::memory_order_acquire); }
  bool timed() const noexcept { return times() != 0; }
  Terms terms(Slot slot) const noexcept { return terms(nodes_.place(slot), times()); }
  /// REQUIRES: `times` is not zero.
  DCACHE_HOT Terms terms(Place place, std::uint8_t times) const noexcept {
    const Moment epoch = epoch_.load(std::memory_order_acquire);
    Tick dies = dies_.at(place).tick.load(std::memory_order_acquire);
    if (times == mortal) return Terms{moment(epoch, dies)};
    if ((times & capped) != 0)
      dies = std::min(dies, caps_.at(place).tick.load(std::memory_order_acquire));
    Tick review = never;
    if ((times & reviewed) != 0) review = reviews_.at(place).tick.load(std::memory_order_acquire);
    return Terms{moment(epoch, dies), moment(epoch, review)};
  }

  /// What a hit does. Written to a slot that another entry took over meanwhile it is harmless: that
  /// entry counts as used once more.
  DCACHE_HOT void touch(Place place) noexcept { nodes_.hit(place); }
  /// A hit at `now` with an idle time: death moves, but never past the entry's cap.
  void postpone(Slot slot, Moment now) noexcept;

  std::size_t size() const noexcept { return index_.size(); }

  /// What is kept about an entry between leaving and being buried, by whoever buries it.
  struct Grave {
    Slot next = no_slot;
    std::uint8_t cause = 0;
  };
  /// REQUIRES: options.buried, and the slot is in no queue.
  Grave& grave(Slot slot) const noexcept { return graves_[slot]; }

  /// Gives back a slot whose contents are gone. REQUIRES: options.buried.
  void give_back(Slot slot) noexcept {
    Slot head = returned_.load(std::memory_order_relaxed);
    do {
      graves_[slot].next = head;
    } while (!returned_.compare_exchange_weak(head, slot, std::memory_order_release,
                                              std::memory_order_relaxed));
  }

  Lock& lock() noexcept { return lock_; }

  // --- The holder of the lock ---

  // The odd version may be relaxed: it is sequenced before the releases of the change, so a reader
  // who acquires one of those finds it, or a later one, when he asks for the version again. That
  // holds only while whatever readers see is stored with a release in here, and loaded with an
  // acquire there; the even version is a release so that who starts from it sees the whole change.
  void begin_change() noexcept {
    version_.store(version_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  bool changing() const noexcept { return (version_.load(std::memory_order_relaxed) & 1U) != 0; }
  void end_change() noexcept {
    version_.store(version_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }

  /// True: `arrival` needs nothing made first.
  bool has_room(const Arrival& arrival) const noexcept {
    const bool untimed = (arrival.terms.dies & arrival.terms.review) == no_moment;
    return (untimed || has_columns(arrival.terms)) && arrival.now <= rebase_due_ &&
           (free_ != no_slot || fresh_ < open_) && index_.has_room();
  }

  /// Makes memory for `arrival` and returns how many slots it reaches to; `open` must follow.
  /// Throws std::bad_alloc and changes nothing that counts. `hash_of` is our own code: the hash of
  /// an entry. REQUIRES: no change has begun.
  std::size_t make_room(const Arrival& arrival,
                        std::uint64_t (*hash_of)(const void*, Slot) noexcept, const void* context);

  /// The cells of these slots have memory, too.
  void open(std::size_t slots) noexcept { open_ = static_cast<Slot>(slots); }

  /// True: an entry has to leave before another comes in.
  bool full() const noexcept { return index_.size() >= entries_max_; }
  bool overfull() const noexcept { return index_.size() > entries_max_; }

  /// Slots from here on were never used.
  Slot slots_used() const noexcept { return fresh_; }

  /// Some entry, or `no_slot` if there is none.
  Slot any() const noexcept { return queues_.any(); }

  /// Empties everything without looking at it: a fork caught it half-way. Returns how many slots
  /// were in use; their cells are abandoned too, and those that nobody reads released.
  Slot abandon() noexcept;

  /// A free slot. REQUIRES: room was there, or made, since the last `claim`.
  Slot claim() noexcept {
    if (free_ == no_slot && options_.buried) take_returned();
    if (free_ == no_slot) return fresh_++;
    return std::exchange(free_, nodes_.link(free_).next);
  }

  /// The opposite: the slot is in no queue and its cell is empty.
  void release(Slot slot) noexcept {
    nodes_.link(slot).next = free_;
    free_ = slot;
  }

  /// What is known of an entry whose cell is about to be filled: before that, so that whoever pins
  /// it finds its times, not those of the slot's former entry. REQUIRES: the slot is claimed.
  void prepare(Slot slot, const Arrival& arrival) noexcept;

  /// A new entry. REQUIRES: the slot is prepared and its cell filled.
  void enter(Slot slot, const Arrival& arrival) noexcept;

  /// `to`, prepared and filled, takes the place of `from`, which is out of the roster then.
  void succeed(Slot from, Slot to, const Arrival& arrival) noexcept;

  /// The same entry with new times; its value may have been overwritten in place.
  void renew(Slot slot, const Arrival& arrival) noexcept;

  /// Takes an entry out. The slot is not free before it is given back.
  void leave(Slot slot, std::uint64_t hash) noexcept;

  /// The slot that should leave to make room, still in the roster but out of the queues;
  /// `no_slot` if there is none. `leave` must follow, then `remember` if the victim says so.
  /// `reused`: `enter` of that slot comes next, or else `keep_victim_slot`.
  Victim victim(bool reused = false) noexcept { return queues_.victim(reused); }
  void keep_victim_slot() noexcept { queues_.unlink_vacated(); }
  /// Fetches what the next eviction will touch, in two steps: the entry after the next one, and,
  /// through the next one's hash, its places in index and ghost. `cell(slot)` fetches a cell;
  /// of one that was fetched, `owned(slot)` fetches what it owns, and `hash_of(slot)` reads.
  template <class Cell, class Owned, class HashOf>
  DCACHE_HOT void foresee(Cell&& cell, Owned&& owned, HashOf&& hash_of) noexcept {
    const auto [next, after] = queues_.next_looks();
    if (next == no_slot) return;
    queues_.prefetch_border();
    cell(after);
    __builtin_prefetch(&nodes_.link(after), 1);
    owned(next);
    foreseen_ = next;
    foreseen_hash_ = hash_of(next);
    index_.prefetch(foreseen_hash_);
    ghost_.prefetch(foreseen_hash_);
  }
  /// The hash of a victim: as it was foreseen, else through `hash_of(slot)`.
  template <class HashOf>
  std::uint64_t victim_hash(Slot slot, HashOf&& hash_of) const noexcept {
    return slot == foreseen_ ? foreseen_hash_ : hash_of(slot);
  }
  /// Fetches what the entering of `hash` will touch besides the index.
  DCACHE_HOT void expect(std::uint64_t hash) const noexcept { ghost_.prefetch(hash); }
  void remember(std::uint64_t hash) noexcept {
    if (ghost_.capacity() < index_.size() / 2 + 1) [[unlikely]]
      grow_ghost();
    ghost_.remember(hash);
  }

  /// The next entry that has expired, or `no_slot`. Still in the roster. REQUIRES: timed().
  Slot expired(Moment now, std::size_t& steps) noexcept;

  void set_review(Slot slot, Moment review) noexcept;
  void touch_lru(Slot slot) noexcept { queues_.touch(slot); }
  bool present(Slot slot) const noexcept { return nodes_.queue(slot) != Queue::nowhere; }

  std::uint32_t weight(Slot slot) const noexcept { return nodes_.weight(slot); }

  void set_entries_max(std::size_t entries_max) noexcept;
  std::uint64_t stored_weight() const noexcept { return queues_.weight(); }
  void set_weight_share(std::uint64_t share) noexcept { queues_.set_capacity(share); }
  void set_knobs(Knobs knobs) noexcept {
    if (queues_.knobs() != knobs) queues_.set_knobs(knobs);
  }

  /// Visits the slots hottest first.
  template <class Visit>
  void for_each(Visit&& visit) {
    queues_.for_each(visit);
  }

 private:
  struct Deadline {
    std::atomic<Tick> tick{never};
  };

  bool has_columns(const Terms& terms) const noexcept {
    const unsigned needed = (terms.dies != no_moment ? unsigned{mortal} : 0U) |
                            (terms.review != no_moment ? unsigned{reviewed} : 0U);
    return (needed & ~unsigned{times()}) == 0;
  }
  void take_returned() noexcept;
  void grow_ghost() noexcept;
  Tick tick(Moment moment) const noexcept;
  static Moment moment(Moment epoch, Tick tick) noexcept {
    // Not as a conditional move, which waits for the tick.
    if (__builtin_expect_with_probability(tick == never, 1, 0.001)) return no_moment;
    return epoch + tick;
  }
  void set_terms(Slot slot, const Arrival& arrival) noexcept;
  void rebase(Moment now) noexcept;

  // What some entry has had: which of the columns further down there are.
  enum : std::uint8_t { mortal = 1, reviewed = 2, capped = 4 };

  // What every hit reads, in one cache line with the first part of the index.
  std::atomic<std::uint32_t> version_{0};
  std::atomic<std::uint8_t> times_{0};
  std::atomic<Moment> epoch_{no_moment};  // no_moment until the first entry with a deadline.
  Index index_;
  NodeTable nodes_;
  Column<Deadline> dies_;
  Column<Deadline> reviews_;
  Column<Deadline> caps_;  // With an idle time: what `dies_` may be postponed to.

  Lock lock_;
  const RosterOptions options_;
  std::size_t entries_max_;
  Slot free_ = no_slot;  // Linked through Link::next.
  Slot fresh_ = 0;       // Slots from here on were never used.
  Slot open_ = 0;        // Slots from here on have no memory.
  Moment rebase_due_ = no_moment;
  Slot foreseen_ = no_slot;  // No entry has come into this slot since.
  std::uint64_t foreseen_hash_ = 0;
  Queues queues_;
  Ghost ghost_;
  Wheel wheel_;
  Column<Grave> graves_;
  std::atomic<Slot> returned_{no_slot};  // Linked through Grave::next.
};

inline void Roster::prepare(Slot slot, const Arrival& arrival) noexcept {
  foreseen_ = no_slot;
  nodes_.set_weight(slot, arrival.weight);
  if (dies_.exists()) set_terms(slot, arrival);
}

inline void Roster::enter(Slot slot, const Arrival& arrival) noexcept {
  index_.insert(arrival.hash, slot);
  queues_.insert(slot, ghost_.take(arrival.hash));
}

inline void Roster::leave(Slot slot, std::uint64_t hash) noexcept {
  index_.erase(hash, slot);
  if (present(slot)) queues_.erase(slot);
  if (dies_.exists()) wheel_.cancel(slot);
}

}  // namespace dcache::engine
