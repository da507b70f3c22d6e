// SPDX-License-Identifier: MIT
// The steps of the far path, each written once. Between two steps nothing is locked and nothing is
// borrowed; what an operation says is taken by far_call.cpp.
#include <algorithm>
#include <utility>

#include "dcache/engine/tiers.hpp"
#include "dcache/error.hpp"

#include "tiers/gate.hpp"
#include "tiers/tier.hpp"

namespace dcache::engine {
namespace {

bool is_set(const std::atomic<bool>* flag) noexcept {
  return flag != nullptr && flag->load(std::memory_order_acquire);
}

SteadyMoment in(std::chrono::nanoseconds span) { return std::chrono::steady_clock::now() + span; }

// How often another process is looked at that computes: from one millisecond on, twice as long each
// time. Where the store tells of changes it is looked at again only for what might get lost.
constexpr std::chrono::milliseconds first_pause{1}, longest_pause{20}, longest_unchanged{500};
// How long an invalidation waits for writes of this process that are under way. Those that take
// longer (one may be suspended on this very thread) undo themselves when they end.
constexpr std::chrono::milliseconds writers_patience{250};

}  // namespace

Walk FarCall::look(Look how) {
  explains_ = how.explains;
  for (Walk part = ask_tiers(how); !part.step();) co_await Within(part);
  const std::optional<std::size_t> leasing =
      how.writes && how.computes && how.leases && !found_ ? leasing_tier() : std::nullopt;
  if (leasing) {
    for (Walk part = ask_who_computes(how, *leasing); !part.step();) co_await Within(part);
  }
  if (!found_ || !how.writes || found_at_ == 0) co_return;
  for (Walk part = fill(found_at_, how.detached); !part.step();) co_await Within(part);
}

// Each tier once: its mark where that is due, and the record; then a token, from before anything
// farther is read or computed. The farthest gives it with the lease, if that is asked for.
Walk FarCall::ask_tiers(const Look& how) {
  for (std::size_t at = 0; at < seen_.size() && !found_; ++at) {
    const bool reads = how.reads && tier(at).options.reads;
    const bool writes = how.writes && tier(at).options.writes;
    look_at_clock();
    seen_[at].began = now_;
    if (!reads && !writes) {
      say(at, tier(at).options.reads ? "not asked" : "not asked: it is not read");
      continue;
    }
    const Ref<Op> asked = ask_questions(at, reads);
    if (!asked && !tier(at).can.leases) continue;
    if (!tier(at).available(now_)) {
      seen_[at].began = now_;
      if (explains_) say(at, "left alone after it failed: " + tier(at).last_trouble());
      seen_[at].has_mark = false;
      continue;
    }
    if (asked) {
      co_await submitted(at, asked);
      if (!take_answers(at, *asked, how)) continue;
    }
    if (found_ || !writes) continue;
    if (!seen_[at].has_mark) {
      const Ref<Op> made = ask_new_mark(at, adds_mark(at) ? Verb::add : Verb::put);
      co_await submitted(at, made);
      if (!take_new_mark(at, *made)) continue;
    }
    if (!seen_[at].has_mark) {  // It was put blindly: is it still ours?
      const Ref<Op> read = ask_new_mark(at, Verb::get);
      co_await submitted(at, read);
      if (!take_new_mark(at, *read)) continue;
    }
    const bool leases = how.leases && at + 1 == seen_.size();
    if (!tier(at).can.leases || !how.computes || leases) continue;
    const Ref<Op> watched = ask(at, Verb::watch);
    co_await submitted(at, watched);
    take_token(at, *watched);
  }
}

// One process at a time. Who waits looks whether the result has come, and whether the lease is
// free, in one step: who has it ends it when he has stored.
Walk FarCall::ask_who_computes(const Look& how, std::size_t at) {
  const SteadyMoment give_up = in(how.patience);
  const Duration budget = seen_[at].budget;
  for (auto pause = first_pause;; pause = std::min(pause * 2, longest_pause)) {
    look_at_clock();
    seen_[at].budget = budget;  // Waiting for others is no fault of the tier's.
    const Ref<Op> lease = ask_lease(at, how);
    co_await submitted(at, lease);
    if (!take_lease(at, *lease, how) || found_ || seen_[at].has_lease) co_return;
    if (std::chrono::steady_clock::now() >= give_up) co_return;
    say(at, busy_ ? "another process computes it" : "another record has come");
    if (busy_ && tier(at).can.wakes) {
      const Ref<Op> change =
          make_op(Verb::await, key_.text, std::min(give_up, in(longest_unchanged)));
      co_await submitted(at, change);
      if (!change->completed() || change->trouble().empty()) continue;
    }
    co_await Until(in(pause));
  }
}

Walk FarCall::store(Result result, const std::atomic<bool>* detached) {
  copy_ = std::move(result);
  return fill(seen_.size(), detached);
}

// Gives the copy to the tiers nearer than `end`, far to near.
Walk FarCall::fill(std::size_t end, const std::atomic<bool>* detached) {
  Chain::Gate& gate = *function_->chain().gate_;
  const Chain::Gate::Inside inside(gate, hash_);
  const std::uint32_t erasures = gate.erasures(hash_);
  for (std::size_t at = end; at-- > 0 && !refused_ && !is_set(detached);) {
    Late late;
    look_at_clock();
    const Ref<Op> written = write(at, copy_, false, late);
    if (!written) continue;
    co_await submitted(at, written, &late);
    take_stored(at, *written);
    if (written->verb() == Verb::erase || !gate.erased_since(hash_, erasures)) continue;
    const Ref<Op> undone = ask(at, Verb::erase);
    co_await submitted(at, undone);
    settle(at, *undone);
  }
}

// The writes of this process that are under way, for a while.
Walk FarCall::await_writers() {
  Chain::Gate& gate = *function_->chain().gate_;
  const SteadyMoment give_up = in(writers_patience);
  while (gate.busy(hash_) && std::chrono::steady_clock::now() < give_up) {
    co_await Until(in(first_pause));
  }
}

Walk FarCall::put(Result result) {
  Chain::Gate& gate = *function_->chain().gate_;
  const Chain::Gate::Erasing erasing(gate, hash_);
  for (Walk part = await_writers(); !part.step();) co_await Within(part);
  const Chain::Gate::Inside inside(gate, hash_);
  std::string missed;
  for (std::size_t at = seen_.size(); at-- > 0;) {
    if (!tier(at).options.writes && !tier(at).options.reads) continue;
    Late late;
    look_at_clock();
    const Ref<Op> written = write(at, result, true, late);
    if (!written) {
      add_missed(missed, tier(at));
      continue;
    }
    co_await submitted(at, written, &late);
    if (!take_stored(at, *written)) add_missed(missed, tier(at));
  }
  if (!missed.empty()) {
    throw TierError("dcache: put did not reach " + missed + "; what is there is served further on");
  }
}

Walk FarCall::erase() {
  const Chain::Gate::Erasing erasing(*function_->chain().gate_, hash_);
  for (Walk part = await_writers(); !part.step();) co_await Within(part);
  std::string missed;
  for (std::size_t at = seen_.size(); at-- > 0;) {
    look_at_clock();
    const Ref<Op> erased = ask(at, Verb::erase);
    co_await submitted(at, erased);
    if (!settle(at, *erased)) add_missed(missed, tier(at));
  }
  if (!missed.empty()) {
    throw InvalidationError(
        "dcache: invalidation did not reach " + missed +
        "; what is there may be served again: say it once more when it answers");
  }
}

}  // namespace dcache::engine
