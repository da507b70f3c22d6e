// SPDX-License-Identifier: MIT
#include "dcache/engine/roster.hpp"

#include <algorithm>
#include <utility>

namespace dcache::engine {
namespace {

// Half of what a tick can say. Past it the epoch moves, so that a deadline may always lie another
// half ahead: 24 days. A longer life is cut to that; a near tier may forget early.
constexpr Moment epoch_span = Moment{1} << 31U;

}  // namespace

Roster::Roster(const RosterOptions& options, Layout layout)
    : nodes_(layout, options.weighted),
      dies_(layout),
      reviews_(layout),
      caps_(layout),
      options_(options),
      entries_max_(options.entries_max),
      queues_(nodes_, options.policy),
      wheel_(layout),
      graves_(layout) {
  queues_.set_capacity(options.weighted ? options.weight_share : options.entries_max);
}

// A deadline told from one epoch must not be written over one that was moved to the next: the entry
// would live a month too long. So both are read within one version, and only what was read is
// replaced. Where writers let none last, the entry keeps its deadline.
void Roster::postpone(Slot slot, Moment now) noexcept {
  if (options_.idle == 0) return;
  constexpr int tries_max = 8;
  auto& deadline = dies_[slot].tick;
  for (int attempt = 0; attempt < tries_max; ++attempt) {
    const std::uint32_t version = this->version();
    Tick was = deadline.load(std::memory_order_acquire);
    const Tick dies = tick(now + options_.idle);
    if (was == dies) return;
    if (still(version) && deadline.compare_exchange_strong(was, dies, std::memory_order_release,
                                                           std::memory_order_relaxed)) {
      return;
    }
  }
}

std::size_t Roster::make_room(const Arrival& arrival,
                              std::uint64_t (*hash_of)(const void*, Slot) noexcept,
                              const void* context) {
  const auto& [dies, review] = arrival.terms;
  const Moment now = arrival.now;
  const std::size_t slots = nodes_.layout().reach(std::max(nodes_.size(), std::size_t{fresh_} + 1));
  // First: no slot may exist, or be made further down, that the index cannot reach. Of those that
  // are made any may be claimed.
  if (!index_.has_room() || slots > index_.reach()) {
    index_.prepare(entries_max_, slots);
    begin_change();
    index_.adopt(hash_of, context);
    end_change();
  }
  nodes_.cover(slots);
  if (options_.buried) graves_.cover(slots);
  if (dies != no_moment || dies_.exists() || options_.idle != 0) {
    if (epoch_.load(std::memory_order_relaxed) == no_moment) {
      epoch_.store(now, std::memory_order_release);
      rebase_due_ = now + epoch_span;
    }
    wheel_.cover(slots);
    if (options_.idle != 0) caps_.cover(slots);
    if (review != no_moment || reviews_.exists()) reviews_.cover(slots);
    dies_.cover(slots);
    times_.store(static_cast<std::uint8_t>(mortal | (reviews_.exists() ? reviewed : 0) |
                                           (caps_.exists() ? capped : 0)),
                 std::memory_order_release);
    if (now > rebase_due_) rebase(now);
  }
  return slots;
}

void Roster::succeed(Slot from, Slot to, const Arrival& arrival) noexcept {
  index_.replace(arrival.hash, from, to);
  queues_.succeed(from, to);
  queues_.touch(to);
  if (dies_.exists()) wheel_.cancel(from);
}

void Roster::renew(Slot slot, const Arrival& arrival) noexcept {
  if (options_.weighted) queues_.reweigh(slot, arrival.weight);
  queues_.touch(slot);
  if (dies_.exists()) set_terms(slot, arrival);
}

void Roster::take_returned() noexcept {
  Slot slot = returned_.exchange(no_slot, std::memory_order_acquire);
  while (slot != no_slot) release(std::exchange(slot, graves_[slot].next));
}

// As many as there are entries, which with weights is not known before.
void Roster::grow_ghost() noexcept { ghost_.resize(index_.size() + 1); }

Slot Roster::expired(Moment now, std::size_t& steps) noexcept {
  return wheel_.due(tick(now), steps, [this](Slot slot) {
    const Tick dies = dies_[slot].tick.load(std::memory_order_relaxed);
    return caps_.exists() ? std::min(dies, caps_[slot].tick.load(std::memory_order_relaxed)) : dies;
  });
}

void Roster::set_review(Slot slot, Moment review) noexcept {
  if (reviews_.exists()) {
    reviews_[slot].tick.store(tick(review), std::memory_order_release);
  }
}

void Roster::set_entries_max(std::size_t entries_max) noexcept {
  entries_max_ = entries_max;
  if (!options_.weighted) queues_.set_capacity(entries_max);
}

Slot Roster::abandon() noexcept {
  if (changing()) end_change();
  begin_change();
  index_.clear();
  queues_.clear();
  if (dies_.exists()) wheel_.clear(0, fresh_);
  for (Slot slot = 0; slot < fresh_; ++slot) nodes_.queue(slot) = Queue::nowhere;
  free_ = no_slot;
  returned_.store(no_slot, std::memory_order_relaxed);
  end_change();
  return fresh_;
}

Tick Roster::tick(Moment moment) const noexcept {
  if (moment == no_moment) return never;
  const Moment epoch = epoch_.load(std::memory_order_acquire);  // `postpone` holds no lock.
  return moment <= epoch ? 0 : static_cast<Tick>(std::min<Moment>(moment - epoch, never - 1));
}

void Roster::set_terms(Slot slot, const Arrival& arrival) noexcept {
  Tick dies = tick(arrival.terms.dies);
  if (caps_.exists()) {
    caps_.held(slot).tick.store(dies, std::memory_order_release);
    dies = std::min(dies, tick(arrival.now + options_.idle));
  }
  dies_.held(slot).tick.store(dies, std::memory_order_release);
  if (reviews_.exists()) {
    reviews_.held(slot).tick.store(tick(arrival.terms.review), std::memory_order_release);
  }
  wheel_.plan(slot, dies);
}

// Once in 24 days: every deadline is told from a new epoch. What is past stays past.
void Roster::rebase(Moment now) noexcept {
  const Moment old = epoch_.load(std::memory_order_relaxed);
  const Moment moved = now - old;
  const auto shift = [moved](Column<Deadline>& column, Slot slot) {
    if (!column.exists()) return;
    auto& deadline = column[slot].tick;
    const Tick was = deadline.load(std::memory_order_relaxed);
    if (was == never) return;
    const Tick left = was > moved ? static_cast<Tick>(was - moved) : 0;
    deadline.store(left, std::memory_order_release);
  };
  begin_change();
  wheel_.clear(0, fresh_);
  for (Slot slot = 0; slot < fresh_; ++slot) {
    shift(dies_, slot);
    shift(reviews_, slot);
    shift(caps_, slot);
    if (present(slot)) wheel_.plan(slot, dies_[slot].tick.load(std::memory_order_relaxed));
  }
  // Last, and readers load it first: one who is between sees a deadline too early, never too late.
  epoch_.store(now, std::memory_order_release);
  rebase_due_ = now + epoch_span;
  end_change();
}

}  // namespace dcache::engine
