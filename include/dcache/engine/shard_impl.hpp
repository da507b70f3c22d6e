// SPDX-License-Identifier: MIT
/// The bodies of shard.hpp, which includes this file at its end.
#pragma once

#include "dcache/engine/shard.hpp"

namespace dcache::engine {

/// The shard's lock, held. What a fork caught half-way is emptied first.
template <class K, class V, class H, class E>
class Shard<K, V, H, E>::Locked {
 public:
  explicit Locked(Shard& shard) noexcept : shard_(shard) {
    if (shard_.roster_.lock.lock()) abandon();
  }
  ~Locked() { shard_.roster_.lock.unlock(); }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;

 private:
  void abandon() noexcept {
    const Slot used = shard_.roster_.abandon();
    if constexpr (!plain) {
      for (Slot slot = 0; slot < used; ++slot) shard_.cells_.abandon(slot);
    }
  }

  Shard& shard_;
};

/// Entries on their way out, linked through their graves. Declared before the lock is taken, so
/// that it buries after the lock is released.
template <class K, class V, class H, class E>
class Shard<K, V, H, E>::Graves {
 public:
  explicit Graves(Shard& shard) noexcept : shard_(shard) {}
  ~Graves() {
    while (first_ != no_slot) {
      const Slot slot = first_;
      first_ = shard_.roster_.grave(slot).next;
      shard_.bury(slot);
    }
  }
  Graves(const Graves&) = delete;
  Graves& operator=(const Graves&) = delete;

  void add(Slot slot) noexcept {
    shard_.roster_.grave(slot).next = first_;
    first_ = slot;
  }

 private:
  Shard& shard_;
  Slot first_ = no_slot;
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
    if (first_.first && first_.first.slot() == slot) return &first_.second;
    for (const auto& [look, same] : others_) {
      if (look.slot() == slot) return &same;
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
      cells_.detach(slot);
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
  } else {
    return H{}(shard.cells_.at(slot).key());
  }
}

// Writers keep it busy. With the lock, nothing changes under our eyes.
template <class K, class V, class H, class E>
template <class View>
void Shard<K, V, H, E>::find_busy(const View& view, std::uint64_t hash, Found& found) {
  for (std::size_t attempt = 0; attempt < tries_max; ++attempt) {
    if (try_find(view, hash, roster_.version(), found)) return;
  }
  with_match(view, hash, [&](Slot slot) {
    if (slot == no_slot) return;
    if (roster_.timed()) found.terms = roster_.terms(slot);
    if constexpr (plain) {
      found.look.set(slot, cells_.copy(slot));
    } else {
      found.look = pin(slot);
    }
  });
}

template <class K, class V, class H, class E>
void Shard<K, V, H, E>::touch_eagerly(Slot slot, Moment now) noexcept {
  if (rules_.roster.policy == Policy::lru) {
    const Locked locked(*this);
    if (roster_.present(slot)) roster_.touch_lru(slot);
  } else {
    roster_.touch(slot);
  }
  if (rules_.roster.idle != 0) roster_.postpone(slot, now);
}

template <class K, class V, class H, class E>
typename Shard<K, V, H, E>::Look Shard<K, V, H, E>::pin(Slot slot) {
  if constexpr (!plain) {
    auto& cell = cells_.at(slot);
    if (cell.pin()) return Look(*this, slot, cell);
  }
  return Look();
}

// Under the lock: the entry of `view` as far as it can be told without the user's equality.
template <class K, class V, class H, class E>
template <class View>
typename Shard<K, V, H, E>::Match Shard<K, V, H, E>::match(const View& view, std::uint64_t hash,
                                                           const Verdicts* verdicts) {
  Match match;
  match.slot = roster_.index().find(hash, [&](Slot candidate) {
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
  });
  return match;
}

// Runs `use(slot)` under the lock on the entry of `view`, or on `no_slot`. The user's equality
// judges first, in rounds, with no lock held. Its verdicts hold pins, so a slot that was judged
// cannot go to another entry. A round judges one, and as many as there are may have the same hash.
// False: no verdict after many more rounds; `use` was not called.
template <class K, class V, class H, class E>
template <class View, class Use>
bool Shard<K, V, H, E>::with_match(const View& view, std::uint64_t hash, Use&& use) {
  if constexpr (quiet_equal<K, E>) {
    const Locked locked(*this);
    use(match(view, hash, nullptr).slot);
    return true;
  }
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
      open = pin(found.slot);
    }
    if (!open) continue;  // Never: under the lock it lives. It tells the compiler so.
    const bool same = E{}(open.key(), view);
    verdicts.add(std::move(open), same);
  }
  return false;
}

template <class K, class V, class H, class E>
Stored Shard<K, V, H, E>::store(Held<K>&& key, Held<V>&& value, std::uint64_t hash,
                                std::uint32_t weight, const Terms& terms, Moment now,
                                const std::atomic<bool>* detached) {
  Stored stored = Stored::rejected;
  Graves graves(*this);
  const K& view = key.get();
  with_match(view, hash, [&](Slot old) {
    if (detached != nullptr && detached->load(std::memory_order_acquire)) {
      stored = Stored::refused;
      return;
    }
    try {
      roster_.reserve(terms, now, hash_of, this);
      cells_.cover(roster_.slots());
    } catch (const std::bad_alloc&) {  // What is outdated goes nevertheless.
      if (old != no_slot) drop(old, hash, Cause::replaced, graves);
      return;
    }
    if (roster_.timed()) {
      std::size_t steps = sweep_steps;
      sweep_some(now, sweep_batch, steps, old, graves);
    }
    stored = commit(old, key, value, hash, weight, terms, now, graves);
  });
  return stored;
}

// Cannot fail any more. One change for the readers: what leaves and what comes.
template <class K, class V, class H, class E>
Stored Shard<K, V, H, E>::commit(Slot old, Held<K>& key, Held<V>& value, std::uint64_t hash,
                                 std::uint32_t weight, const Terms& terms, Moment now,
                                 Graves& graves) noexcept {
  const auto fill = [&](Slot slot) {
    if constexpr (plain) {
      cells_.fill(slot, key.get(), value.get());
    } else {
      cells_.fill(slot, hash, std::move(key), std::move(value));
    }
  };
  roster_.set_knobs(rules_.monitor.knobs());
  roster_.begin_change();
  if (old == no_slot) {
    while (roster_.full() && evict_for_slot(graves)) {
    }
    const Slot slot = roster_.claim();
    fill(slot);
    roster_.enter(slot, hash, weight, terms, now);
    count(inserted_);
    if (roster_.full()) foresee();
  } else if (!buried_later()) {
    if (rules_.roster.weighted) {
      rules_.weight_used.fetch_sub(roster_.weight(old), std::memory_order_relaxed);
    }
    fill(old);
    roster_.renew(old, weight, terms, now);
    count(removed_[static_cast<std::size_t>(Cause::replaced)]);
  } else {
    const Slot slot = roster_.claim();
    fill(slot);
    roster_.succeed(old, slot, hash, weight, terms, now);
    retire(old, Cause::replaced, graves);
  }
  roster_.end_change();
  return old == no_slot ? Stored::inserted : Stored::replaced;
}

template <class K, class V, class H, class E>
template <class View>
bool Shard<K, V, H, E>::remove(const View& view, std::uint64_t hash, Cause cause,
                               Moment expired_at) {
  bool removed = false;
  Graves graves(*this);
  with_match(view, hash, [&](Slot slot) {
    if (slot == no_slot) return;
    if (expired_at != no_moment && roster_.terms(slot).dies > expired_at) return;
    drop(slot, hash, cause, graves);
    removed = true;
  });
  return removed;
}

template <class K, class V, class H, class E>
template <class View>
std::uint32_t Shard<K, V, H, E>::weight(const View& view, std::uint64_t hash) {
  std::uint32_t weight = 0;
  with_match(view, hash, [&](Slot slot) {
    if (slot != no_slot) weight = roster_.weight(slot);
  });
  return weight;
}

template <class K, class V, class H, class E>
template <class Use>
void Shard<K, V, H, E>::with_weight(Use&& use) {
  const Locked locked(*this);
  use(roster_.stored_weight());
}

template <class K, class V, class H, class E>
void Shard<K, V, H, E>::drop(Slot slot, std::uint64_t hash, Cause cause, Graves& graves) noexcept {
  roster_.begin_change();
  roster_.leave(slot, hash);
  roster_.end_change();
  retire(slot, cause, graves);
}

template <class K, class V, class H, class E>
template <class View>
void Shard<K, V, H, E>::set_review(const View& view, std::uint64_t hash, Moment review) {
  with_match(view, hash, [&](Slot slot) {
    if (slot != no_slot) roster_.set_review(slot, review);
  });
}

template <class K, class V, class H, class E>
bool Shard<K, V, H, E>::evict_one() {
  Graves graves(*this);
  const Locked locked(*this);
  roster_.begin_change();
  const bool evicted = evict(roster_.victim(), graves);
  roster_.end_change();
  return evicted;
}

// Entries without weight leave only for want of slots.
template <class K, class V, class H, class E>
bool Shard<K, V, H, E>::evict_for_slot(Graves& graves) noexcept {
  Victim victim = roster_.victim();
  if (victim.slot == no_slot) victim.slot = roster_.any();
  return evict(victim, graves);
}

// Within a change. False: there is no victim.
template <class K, class V, class H, class E>
void Shard<K, V, H, E>::foresee() const noexcept {
  roster_.foresee([this](Slot slot) { cells_.prefetch(slot); },
                  [this](Slot slot) { return hash_of(this, slot); });
}

template <class K, class V, class H, class E>
bool Shard<K, V, H, E>::evict(Victim victim, Graves& graves) noexcept {
  if (victim.slot == no_slot) return false;
  const std::uint64_t hash = hash_of(this, victim.slot);
  roster_.leave(victim.slot, hash);
  if (victim.remember) roster_.remember(hash);
  retire(victim.slot, Cause::evicted, graves);
  return true;
}

template <class K, class V, class H, class E>
void Shard<K, V, H, E>::sweep(Moment now) {
  constexpr Slot batch = 1024;
  for (Slot at = 0, end = batch; at < end; end += batch) {
    Graves graves(*this);
    const Locked locked(*this);
    for (; at < std::min(end, roster_.slots_used()); ++at) {
      if (roster_.present(at) && roster_.terms(at).dies <= now) {
        drop(at, hash_of(this, at), Cause::expired, graves);
      }
    }
    if (at < end) return;
  }
}

// Removes what has expired, at most `batch` entries; `keep` is in use by the caller.
template <class K, class V, class H, class E>
void Shard<K, V, H, E>::sweep_some(Moment now, std::size_t batch, std::size_t& steps, Slot keep,
                                   Graves& graves) noexcept {
  for (; batch > 0; --batch) {
    const Slot slot = roster_.expired(now, steps);
    if (slot == no_slot) return;
    if (slot == keep) continue;  // About to be replaced, with times of its own.
    drop(slot, hash_of(this, slot), Cause::expired, graves);
  }
}

template <class K, class V, class H, class E>
void Shard<K, V, H, E>::clear() {
  constexpr std::size_t batch = 256;  // A bound for how long others wait.
  Graves graves(*this);  // Buried at the end: a listener that stores anew must not keep us here.
  bool more = true;
  while (more) {
    const Locked locked(*this);
    roster_.begin_change();
    for (std::size_t i = 0; i < batch && more; ++i) {
      const Slot slot = roster_.any();
      more = slot != no_slot;
      if (!more) break;
      roster_.leave(slot, hash_of(this, slot));
      retire(slot, Cause::erased, graves);
    }
    roster_.end_change();
  }
}

template <class K, class V, class H, class E>
void Shard<K, V, H, E>::set_entries_max(std::size_t entries_max) {
  constexpr std::size_t batch = 256;
  bool more = true;
  while (more) {
    Graves graves(*this);
    const Locked locked(*this);
    roster_.set_entries_max(entries_max);
    roster_.begin_change();
    for (std::size_t i = 0; i < batch && more; ++i) more = roster_.overfull() && evict_for_slot(graves);
    roster_.end_change();
  }
}

template <class K, class V, class H, class E>
void Shard<K, V, H, E>::set_weight_share(std::uint64_t share) {
  const Locked locked(*this);
  roster_.set_weight_share(share);
}

template <class K, class V, class H, class E>
std::vector<typename Shard<K, V, H, E>::Warm> Shard<K, V, H, E>::hottest(Moment now) {
  std::vector<Warm> looks;
  const auto visit = [&](Slot slot, int heat) {
    if (roster_.timed() && roster_.terms(slot).dies <= now) return;
    Warm& warm = looks.emplace_back();
    warm.heat = heat;
    if constexpr (plain) {
      warm.look.set(slot, cells_.copy(slot));
    } else {
      warm.look = pin(slot);
    }
  };
  for (bool done = false; !done;) {
    looks.reserve(roster_.size() + 16);  // Not under the lock.
    const Locked locked(*this);
    done = roster_.size() <= looks.capacity();
    if (done) roster_.for_each(visit);
  }
  std::stable_sort(looks.begin(), looks.end(),
                   [](const Warm& a, const Warm& b) { return a.heat > b.heat; });
  return looks;
}

// The entry has left the roster. Its slot is free now, or once it is buried.
template <class K, class V, class H, class E>
void Shard<K, V, H, E>::retire(Slot slot, Cause cause, Graves& graves) noexcept {
  count(removed_[static_cast<std::size_t>(cause)]);
  if (rules_.roster.weighted) {
    rules_.weight_used.fetch_sub(roster_.weight(slot), std::memory_order_relaxed);
  }
  if (!buried_later()) {
    roster_.release(slot);
    return;
  }
  roster_.grave(slot).cause = static_cast<std::uint8_t>(cause);
  if constexpr (plain) {
    graves.add(slot);
  } else {
    if (cells_.detach(slot)) graves.add(slot);
  }
}

template <class K, class V, class H, class E>
void Shard<K, V, H, E>::bury(Slot slot) noexcept {
  if (rules_.on_removal) {
    const auto cause = static_cast<Cause>(roster_.grave(slot).cause);
    try {
      if constexpr (plain) {
        const auto copy = cells_.copy(slot);
        rules_.on_removal(copy.key(), copy.value(), cause);
      } else {
        const auto& cell = cells_.at(slot);
        rules_.on_removal(cell.key(), cell.value(), cause);
      }
    } catch (...) {
      rules_.listener_errors.fetch_add(1, std::memory_order_relaxed);
    }
  }
  if constexpr (!plain) cells_.destroy(slot);
  roster_.give_back(slot);
}

}  // namespace dcache::engine
