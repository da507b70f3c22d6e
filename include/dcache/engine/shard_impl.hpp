// SPDX-License-Identifier: MIT
/// The bodies of shard.hpp that look into a shard, and its helpers; shard.hpp includes this file at
/// its end.
#pragma once

#include "dcache/engine/shard.hpp"

namespace dcache::engine {

/// The shard's lock, held, unless the caller has one. What a fork caught half-way is emptied first.
template <class K, class V, class H, class E>
class Shard<K, V, H, E>::Locked {
 public:
  explicit Locked(Shard& shard) noexcept : shard_(shard) {
    if (shard_.rules_.guarded) return;
    const bool alone = shard_.bias_.enter();
    Lock& lock = shard_.roster_.lock();
    if (alone ? lock.lock_alone() : lock.lock()) [[unlikely]]
      abandon();
    shard_.alone_ = alone;
  }
  ~Locked() {
    if (shard_.rules_.guarded) return;
    const bool alone = std::exchange(shard_.alone_, false);
    shard_.roster_.lock().unlock();
    if (alone) shard_.bias_.leave();
  }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;

 private:
  void abandon() noexcept {
    for (Slot slot = shard_.roster_.abandon(); slot-- > 0;) {
      if constexpr (!plain) {
        // Another thread of this process may read it already, and then buries it.
        shard_.roster_.grave(slot).cause = static_cast<std::uint8_t>(Cause::erased);
        if (!shard_.cells_.abandon(slot)) continue;
      }
      shard_.roster_.release(slot);
    }
  }

  Shard& shard_;
};

/// Pinned entries on their way out: the first that nobody reads is moved here, so that its slot is
/// free at once; more are linked through their graves. Declared before the lock is taken, so that
/// it buries after the lock is released; so is the other kind.
template <class K, class V, class H, class E>
class Shard<K, V, H, E>::PinnedGraves {
 public:
  explicit PinnedGraves(Shard& shard) noexcept : shard_(shard) {}
  ~PinnedGraves() {
    if (moved_) shard_.tell(moved_->key.get(), moved_->value.get(), moved_cause_);
    while (first_ != no_slot) {
      const Slot slot = first_;
      first_ = shard_.roster_.grave(slot).next;
      shard_.bury(slot);
    }
  }
  PinnedGraves(const PinnedGraves&) = delete;
  PinnedGraves& operator=(const PinnedGraves&) = delete;

  static bool full() noexcept { return false; }
  /// True: the slot is free.
  DCACHE_HOT bool add(Slot slot, Cause cause) noexcept {
    if (small && !moved_ && shard_.cells_.detach_unread(slot, shard_.alone_)) {
      shard_.cells_.take(slot, moved_);
      moved_cause_ = cause;
      return true;
    }
    shard_.roster_.grave(slot).cause = static_cast<std::uint8_t>(cause);
    if (!shard_.cells_.detach(slot, shard_.alone_)) return false;  // Its last reader buries it.
    shard_.roster_.grave(slot).next = first_;
    first_ = slot;
    return false;
  }

 private:
  // To move more would cost more than it saves.
  static constexpr bool small = sizeof(typename Cells::Contents) <= 256;

  Shard& shard_;
  Slot first_ = no_slot;
  Cause moved_cause_ = Cause::evicted;
  std::optional<typename Cells::Contents> moved_;
};

/// Copies of plain entries that have left, for the listener: their slots are free at once.
template <class K, class V, class H, class E>
class Shard<K, V, H, E>::CopiedGraves {
 public:
  explicit CopiedGraves(Shard& shard) noexcept : shard_(shard) {}
  ~CopiedGraves() {
    for (std::size_t i = 0; i < count_; ++i) {
      shard_.tell(left_[i].pair.key(), left_[i].pair.value(), left_[i].cause);
    }
  }
  CopiedGraves(const CopiedGraves&) = delete;
  CopiedGraves& operator=(const CopiedGraves&) = delete;

  bool full() const noexcept { return count_ == left_.size(); }
  /// REQUIRES: not full.
  void add(Slot slot, Cause cause) noexcept {
    Left& left = left_[count_++];
    left.pair.copy(shard_.cells_.copy(slot));
    left.cause = cause;
  }

 private:
  struct Left {
    PlainPair<K, V> pair;
    Cause cause;
  };

  Shard& shard_;
  std::size_t count_ = 0;
  std::array<Left, removals_max> left_;  // What is not used is not written either.
};

/// Entries of the same hash as a key, pinned, and whether they are of that key.
template <class K, class V, class H, class E>
class Shard<K, V, H, E>::Verdicts {
 public:
  void add(Look&& look, bool same) {
    if (!first_.first) {  // Almost always the only one: it needs no memory.
      first_.first = std::move(look);
      first_.second = same;
    } else {
      others_.emplace_back(std::move(look), same);
    }
  }

  /// Null: not judged yet.
  const bool* of(Slot slot) const noexcept {
    if (first_.first && first_.first.place().slot == slot) return &first_.second;
    for (const auto& [look, same] : others_) {
      if (look.place().slot == slot) return &same;
    }
    return nullptr;
  }

 private:
  std::pair<Look, bool> first_;
  std::vector<std::pair<Look, bool>> others_;
};

template <class K, class V, class H, class E>
Shard<K, V, H, E>::~Shard() {
  if constexpr (!plain) {
    roster_.for_each([this](Slot slot, int) {
      cells_.detach(slot, true);
      cells_.destroy(slot);
    });
  }
}

template <class K, class V, class H, class E>
std::uint64_t Shard<K, V, H, E>::hash_of(const void* self, Slot slot) noexcept {
  const auto& shard = *static_cast<const Shard*>(self);
  if constexpr (plain) {
    return H{}(shard.cells_.copy(slot).key());
  } else if constexpr (hashed) {
    return shard.cells_.at(slot).hash();
  } else if constexpr (text) {
    return shard.cells_.at(slot).held_key().hash();
  } else {
    return H{}(shard.cells_.at(slot).key());
  }
}

// One walk through the index. False: a writer was there meanwhile and nothing was learnt.
template <class K, class V, class H, class E>
template <class View>
bool Shard<K, V, H, E>::walk(const View& view, std::uint64_t hash, Found& found) {
  const std::uint32_t version = roster_.version();
  const Slot slot = roster_.index().find(
      hash, [&](Slot candidate) { return take(candidate, view, hash, found); });
  // A pinned entry was there at the moment it was pinned: only a miss needs the version.
  if (!plain && slot != no_slot) return true;
  if (roster_.still(version)) return true;
  found.look.reset();
  return false;
}

// The first candidate was not it, or writers keep the shard busy. With the lock, nothing changes
// under our eyes.
template <class K, class V, class H, class E>
template <class View>
void Shard<K, V, H, E>::find_further(const View& view, std::uint64_t hash, Found& found) {
  for (std::size_t attempt = 0; attempt < tries_max; ++attempt) {
    if (walk(view, hash, found)) return;
  }
  with_match(view, hash, [&](Slot slot) {
    if (slot == no_slot) return;
    if (roster_.timed()) found.terms = roster_.terms(slot);
    if constexpr (plain) {
      found.look.set(cells_.place(slot), cells_.copy(slot));
    } else {
      found.look = pin_held(slot);
    }
  });
}

template <class K, class V, class H, class E>
void Shard<K, V, H, E>::touch_eagerly(Place place, Moment now) noexcept {
  if (rules_.roster.policy == Policy::lru) {
    const Locked locked(*this);
    if (roster_.present(place.slot)) roster_.touch_lru(place.slot);
  }
  if (rules_.roster.idle != 0) roster_.postpone(place.slot, now);
}

template <class K, class V, class H, class E>
typename Shard<K, V, H, E>::Look Shard<K, V, H, E>::pin_held(Slot slot) {
  if constexpr (!plain) {
    auto& cell = cells_.at(slot);
    if (cell.pin(alone_)) return Look(*this, cells_.place(slot), cell);
  }
  return Look();
}

// Under the lock: the entry of `view` as far as it can be told without the user's equality.
template <class K, class V, class H, class E>
template <class View>
inline typename Shard<K, V, H, E>::Match Shard<K, V, H, E>::match(const View& view,
                                                                  std::uint64_t hash,
                                                                  const Verdicts* verdicts) {
  Match match;
  match.slot = roster_.index().first(hash);
  if (match.slot == no_slot) return match;
  const auto accept = [&](Slot candidate) DCACHE_HOT_LAMBDA {
    if constexpr (plain) {
      return E{}(cells_.copy(candidate).key(), view);
    } else {
      const auto& cell = cells_.at(candidate);
      if (!cell.may_be(hash)) return false;
      if constexpr (quiet_equal<K, E>) {
        return E{}(cell.key(), view);
      } else {
        const bool* verdict = verdicts->of(candidate);
        match.judged = verdict != nullptr;
        return verdict == nullptr || *verdict;
      }
    }
  };
  // Nearly always the home group has one candidate or none.
  if (match.slot == Index::further || !accept(match.slot)) {
    match.slot = roster_.index().find(hash, accept);
  }
  return match;
}

// Runs `use(slot)` under the lock on the entry of `view`, or on `no_slot` (`absent`: there is
// none). False: `use` was not called, because equality came to no verdict.
template <class K, class V, class H, class E>
template <class View, class Use>
inline bool Shard<K, V, H, E>::with_match(const View& view, std::uint64_t hash, Use&& use,
                                          bool absent) {
  if constexpr (quiet_equal<K, E>) {
    const Locked locked(*this);
    use(absent ? no_slot : match(view, hash, nullptr).slot);
    return true;
  } else {
    return with_judged_match(view, hash, use);
  }
}

// The user's equality judges first, in rounds, with no lock held. Its verdicts hold pins, so a slot
// that was judged cannot go to another entry. A round judges one, and as many as there are may have
// the same hash; no verdict comes after many more rounds.
template <class K, class V, class H, class E>
template <class View, class Use>
bool Shard<K, V, H, E>::with_judged_match(const View& view, std::uint64_t hash, Use& use) {
  Verdicts verdicts;
  for (std::size_t round = 0; round < tries_max + size(); ++round) {
    Look open;
    {
      const Locked locked(*this);
      const Match found = match(view, hash, &verdicts);
      if (found.slot == no_slot || found.judged) {
        use(found.slot);
        return true;
      }
      open = pin_held(found.slot);
    }
    if (!open) continue;  // Never: under the lock it lives. It tells the compiler so.
    const bool same = E{}(open.key(), view);
    verdicts.add(std::move(open), same);
  }
  return false;
}

}  // namespace dcache::engine
