// SPDX-License-Identifier: MIT
/// The bodies of shard.hpp that change a shard; shard.hpp includes this file at its end.
#pragma once

#include "dcache/engine/shard_impl.hpp"

namespace dcache::engine {

template <class K, class V, class H, class E>
Stored Shard<K, V, H, E>::store(KeyHeld&& key, Offered<V>&& value, const Arrival& arrival,
                                const std::atomic<bool>* detached, bool absent) {
  Stored stored = Stored::rejected;
  Graves graves(*this);
  const auto& view = key.get();
  const auto put = [&](Slot old) DCACHE_HOT_LAMBDA {
    if (detached != nullptr && detached->load(std::memory_order_acquire)) {
      stored = Stored::refused;
      return;
    }
    if (!roster_.has_room(arrival)) [[unlikely]] {
      try {
        make_room(arrival);
      } catch (const std::bad_alloc&) {  // What is outdated goes nevertheless.
        if (old != no_slot) drop(old, arrival.hash, Cause::replaced, graves);
        return;
      }
    }
    if (roster_.timed()) {
      std::size_t steps = sweep_steps;
      sweep_some(arrival.now, sweep_batch, steps, old, graves);
    }
    stored = commit(old, key, value, arrival, graves);
  };
  with_match(view, arrival.hash, put, absent);
  return stored;
}

// Throws std::bad_alloc; the roster counts the new slots only when their cells are there, too.
template <class K, class V, class H, class E>
void Shard<K, V, H, E>::make_room(const Arrival& arrival) {
  const std::size_t slots = roster_.make_room(arrival, hash_of, this);
  cells_.cover(slots);
  roster_.open(slots);
}

// Cannot fail any more. One change for the readers: what leaves and what comes.
template <class K, class V, class H, class E>
inline Stored Shard<K, V, H, E>::commit(Slot old, KeyHeld& key, Offered<V>& value,
                                        const Arrival& arrival, Graves& graves) noexcept {
  const auto fill = [&](Slot slot) {
    if constexpr (plain) {
      cells_.fill(slot, key.get(), value.get());
    } else {
      cells_.fill(slot, arrival.hash, std::move(key), std::move(value));
    }
  };
  roster_.set_knobs(rules_.monitor.knobs());
  roster_.begin_change();
  if (old == no_slot) {
    if (rules_.fetches_ahead) roster_.expect(arrival.hash);
    const Slot slot = vacate(graves);
    roster_.prepare(slot, arrival);
    fill(slot);
    roster_.enter(slot, arrival);
    count(inserted_);
    if (rules_.fetches_ahead && roster_.full()) foresee();
  } else if constexpr (plain) {
    retire(old, Cause::replaced, graves);
    fill(old);
    roster_.renew(old, arrival);
  } else {
    const Slot slot = roster_.claim();
    roster_.prepare(slot, arrival);
    fill(slot);
    roster_.succeed(old, slot, arrival);
    release(retire(old, Cause::replaced, graves));
  }
  roster_.end_change();
  return old == no_slot ? Stored::inserted : Stored::replaced;
}

// A slot for a newcomer: if it can be, that of the entry that has to leave for it.
template <class K, class V, class H, class E>
inline Slot Shard<K, V, H, E>::vacate(Graves& graves) noexcept {
  Slot slot = no_slot;
  while (roster_.full() && !graves.full()) {
    if (slot != no_slot) [[unlikely]]
      roster_.release(slot);
    slot = evict(victim_for_slot(!roster_.overfull()), graves);
  }
  if (slot != no_slot) return slot;
  roster_.keep_victim_slot();
  return roster_.claim();
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
  release(retire(slot, cause, graves));
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
  const Victim victim = roster_.victim();
  if (victim.slot != no_slot) release(evict(victim, graves));
  roster_.end_change();
  return victim.slot != no_slot;
}

// Entries without weight leave only for want of slots. REQUIRES: there is an entry.
template <class K, class V, class H, class E>
inline Victim Shard<K, V, H, E>::victim_for_slot(bool reused) noexcept {
  Victim victim = roster_.victim(reused);
  if (victim.slot == no_slot) [[unlikely]]
    victim.slot = roster_.any();
  return victim;
}

template <class K, class V, class H, class E>
inline void Shard<K, V, H, E>::foresee() noexcept {
  roster_.foresee([&](Slot slot) { cells_.prefetch(slot); },
                  [&](Slot slot) {
                    if constexpr (!plain) cells_.prefetch_owned(slot);
                  },
                  [&](Slot slot) { return hash_of(this, slot); });
}

// Within a change. Returns what `retire` does. REQUIRES: the victim is one.
template <class K, class V, class H, class E>
inline Slot Shard<K, V, H, E>::evict(Victim victim, Graves& graves) noexcept {
  const std::uint64_t hash =
      roster_.victim_hash(victim.slot, [this](Slot slot) { return hash_of(this, slot); });
  roster_.leave(victim.slot, hash);
  if (victim.remember) roster_.remember(hash);
  return retire(victim.slot, Cause::evicted, graves);
}

template <class K, class V, class H, class E>
void Shard<K, V, H, E>::sweep(Moment now) {
  remove_all(Cause::expired, [&](Slot slot) { return roster_.terms(slot).dies <= now; });
}

template <class K, class V, class H, class E>
void Shard<K, V, H, E>::clear() {
  remove_all(Cause::erased, [](Slot) { return true; });
}

// Each slot once: a listener that stores anew does not keep us here.
template <class K, class V, class H, class E>
template <class Due>
void Shard<K, V, H, E>::remove_all(Cause cause, Due&& due) {
  Slot end = no_slot;
  for (Slot at = 0; at < end;) {
    Graves graves(*this);
    const Locked locked(*this);
    end = std::min(end, roster_.slots_used());
    for (const Slot pause = at + std::min(batch, end - at); at < pause && !graves.full(); ++at) {
      if (roster_.present(at) && due(at)) drop(at, hash_of(this, at), cause, graves);
    }
  }
}

// Removes what has expired, at most `most` entries; `keep` is in use by the caller.
template <class K, class V, class H, class E>
void Shard<K, V, H, E>::sweep_some(Moment now, std::size_t most, std::size_t& steps, Slot keep,
                                   Graves& graves) noexcept {
  for (; most > 0; --most) {
    const Slot slot = roster_.expired(now, steps);
    if (slot == no_slot) return;
    if (slot == keep) continue;  // About to be replaced, with times of its own.
    drop(slot, hash_of(this, slot), Cause::expired, graves);
  }
}

template <class K, class V, class H, class E>
void Shard<K, V, H, E>::set_entries_max(std::size_t entries_max) {
  bool more = true;
  while (more) {
    Graves graves(*this);
    const Locked locked(*this);
    roster_.set_entries_max(entries_max);
    roster_.begin_change();
    for (Slot i = 0; i < batch && more && !graves.full(); ++i) {
      more = roster_.overfull();
      if (more) release(evict(victim_for_slot(), graves));
    }
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
    warm.rank = static_cast<std::uint64_t>(NodeTable::hits_max - heat) << 32U | looks.size();
    if constexpr (plain) {
      warm.look.set(cells_.place(slot), cells_.copy(slot));
    } else {
      warm.look = pin_held(slot);
    }
  };
  for (bool done = false; !done;) {
    looks.reserve(roster_.size() + 16);  // Not under the lock.
    const Locked locked(*this);
    done = roster_.size() <= looks.capacity();
    if (done) roster_.for_each(visit);
  }
  std::sort(looks.begin(), looks.end(),
            [](const Warm& a, const Warm& b) { return a.rank < b.rank; });
  return looks;
}

template <class K, class V, class H, class E>
template <class Visit>
void Shard<K, V, H, E>::for_each(Visit& visit) {
  const Locked locked(*this);
  roster_.for_each([&](Slot slot, int) {
    if constexpr (plain) {
      const auto copy = cells_.copy(slot);
      visit(copy.key(), copy.value());
    } else {
      visit(cells_.at(slot).key(), cells_.at(slot).value());
    }
  });
}

// The entry leaves the roster, or its place there. Returns its slot if that is free now, or
// `no_slot` if it will be once the entry is buried.
template <class K, class V, class H, class E>
inline Slot Shard<K, V, H, E>::retire(Slot slot, Cause cause, Graves& graves) noexcept {
  count(removed_[static_cast<std::size_t>(cause)]);
  if (rules_.roster.weighted) {
    rules_.weight_used.fetch_sub(roster_.weight(slot), std::memory_order_relaxed);
  }
  if constexpr (plain) {
    if (rules_.on_removal) graves.add(slot, cause);
    return slot;
  } else {
    return graves.add(slot, cause) ? slot : no_slot;
  }
}

template <class K, class V, class H, class E>
template <class HeldKey>
void Shard<K, V, H, E>::tell(const HeldKey& key, const V& value, Cause cause) noexcept {
  if (!rules_.on_removal) return;
  try {
    if constexpr (std::is_same_v<KeyHeld, ShortText>) {
      rules_.on_removal(K(key), value, cause);
    } else {
      rules_.on_removal(key, value, cause);
    }
  } catch (...) {
    rules_.listener_errors.fetch_add(1, std::memory_order_relaxed);
  }
}

template <class K, class V, class H, class E>
void Shard<K, V, H, E>::bury(Slot slot) noexcept {
  if constexpr (!plain) {
    const auto& cell = cells_.at(slot);
    tell(cell.key(), cell.value(), static_cast<Cause>(roster_.grave(slot).cause));
    cells_.destroy(slot);
    roster_.give_back(slot);
  }
}

}  // namespace dcache::engine
