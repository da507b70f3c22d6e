// SPDX-License-Identifier: MIT
// What a call asks of its tiers and how it takes the answers. The order of the steps is in
// walks.cpp.
#include <algorithm>
#include <utility>

#include "dcache/engine/far_batch.hpp"
#include "dcache/engine/tiers.hpp"

#include "tiers/gate.hpp"
#include "tiers/marked.hpp"
#include "tiers/tier.hpp"

namespace dcache::engine {
namespace {

// As people say it, by the wall clock that records carry.
std::string span(WallTime microseconds) {
  constexpr WallTime second = 1'000'000;
  if (microseconds < 2 * second) return std::to_string(microseconds / 1000) + " ms";
  if (microseconds < 120 * second) return std::to_string(microseconds / second) + " s";
  if (microseconds < 7200 * second) return std::to_string(microseconds / second / 60) + " min";
  return std::to_string(microseconds / second / 3600) + " h";
}

std::string hit(WallTime fresh_until, WallTime now) {
  if (fresh_until == no_end) return "hit, without end";
  return "hit, fresh for " + span(fresh_until - now) + " more";
}

// Fresh for as long as the tier allows; what comes after that moves with it.
RecordTimes capped(RecordTimes times, Duration ttl, WallTime now) noexcept {
  if (ttl == Duration::max() || times.fresh_until <= now + microseconds(ttl)) return times;
  const WallTime end = now + microseconds(ttl);
  if (times.usable_until != no_end) {
    times.usable_until = end + (times.usable_until - times.fresh_until);
  } else if (times.fresh_until == no_end) {
    times.usable_until = end;
  }
  times.fresh_until = end;
  return times;
}

}  // namespace

FarCall::FarCall(std::shared_ptr<FarFunction> function, FarKey key)
    : function_(std::move(function)),
      key_(std::move(key)),
      hash_(checksum({key_.text})),
      seen_(function_->chain().size()) {
  for (std::size_t at = 0; at < seen_.size(); ++at) seen_[at].budget = tier(at).budget;
}

FarCall::~FarCall() {
  for (std::size_t at = 0; at < seen_.size(); ++at) {
    if (!seen_[at].has_lease) continue;
    look_at_clock();
    const Ref<Op> op = ask(at, Verb::release);
    tier(at).backend().submit(op);
  }
}

Tier& FarCall::tier(std::size_t at) const noexcept { return *function_->chain().tiers_[at]; }

bool FarCall::writes(std::size_t at) const noexcept {
  return tier(at).options.writes && seen_[at].has_mark;
}

// What is no mark would be found there for ever.
bool FarCall::adds_mark(std::size_t at) const noexcept {
  return tier(at).can.adds && !seen_[at].bad_mark;
}

std::optional<std::size_t> FarCall::leasing_tier() const noexcept {
  for (std::size_t at = seen_.size(); at-- > 0;) {
    if (writes(at) && tier(at).can.leases) return at;
  }
  return std::nullopt;
}

Completed FarCall::submitted(std::size_t at, const Ref<Op>& op, Late* late) {
  seen_[at].began = now_;
  if (batch_ != nullptr) {
    batch_->submit(tier(at).backend(), tier(at).can.batches, op);
  } else {
    op->attend();
    tier(at).backend().submit(op);
  }
  return Completed(*op, late);
}

bool FarCall::settle(std::size_t at, const Op& op) {
  look_at_clock();
  const Duration took = now_ - seen_[at].began;
  seen_[at].budget -= std::min(took, seen_[at].budget);
  if (tier(at).settle(op, function_->chain().options_, now_)) return true;
  say(at, op.completed() ? "failed: " + op.trouble() : "no answer in time");
  return false;
}

Ref<Op> FarCall::ask(std::size_t at, Verb verb) {
  const SteadyMoment deadline = tier(at).can.local ? SteadyMoment::max() : now_ + seen_[at].budget;
  Ref<Op> op = make_op(verb, key_.text, deadline);
  op->items.front().token = seen_[at].token;
  return op;
}

// The mark, if it is due, and the record; null: neither.
Ref<Op> FarCall::ask_questions(std::size_t at, bool reads) {
  const SteadyMoment now = function_->chain().moment(now_);
  const auto mark = function_->marks_[at].at(now, tier(at).mark_ttl);
  if (mark) {
    seen_[at].mark = *mark;
    seen_[at].has_mark = true;
    return reads ? ask(at, Verb::get) : Ref<Op>();
  }
  seen_[at].asked = now;
  seen_[at].clears = function_->marks_[at].clears();
  Ref<Op> op = ask(at, Verb::get);
  op->items.front().key = function_->mark_key_;
  if (reads) op->items.emplace_back().key = key_.text;
  return op;
}

bool FarCall::take_answers(std::size_t at, Op& op, const Look& how) {
  if (!settle(at, op)) {
    if (op.items.back().key == key_.text && !std::exchange(seen_[at].missed, true)) {
      count(tier(at).meter.misses);
    }
    return false;
  }
  answered_ = true;
  const bool asked_mark = op.items.front().key == function_->mark_key_;
  if (asked_mark) take_mark(at, op.items.front());
  if (op.items.size() == 1 && asked_mark) return true;
  const Item& record = op.items.back();
  if (record.reply != Reply::found) {
    miss(at, "not there");
  } else if (!seen_[at].has_mark) {
    count(tier(at).meter.dead);
    miss(at, "dead: its function has no mark any more");
  } else {
    take_record(at, record.value, how);
  }
  return true;
}

void FarCall::take_mark(std::size_t at, const Item& item) {
  if (item.reply != Reply::found) return;
  const std::optional<Mark> mark = mark_of(item.value);
  seen_[at].bad_mark = !mark;
  if (!mark) return;
  seen_[at].mark = *mark;
  seen_[at].has_mark = true;
  function_->marks_[at].learn(*mark, seen_[at].asked, seen_[at].clears);
}

// False: the tier is not there. Where it could not be added, it has to be read back.
bool FarCall::take_new_mark(std::size_t at, Op& op) {
  if (!settle(at, op)) return false;
  Item& item = op.items.front();
  if (op.verb() == Verb::put) return true;
  if (item.reply == Reply::done) item.reply = Reply::found;  // Ours is the one.
  take_mark(at, item);
  return true;
}

// `add` where the tier can: somebody else may be making it, too.
Ref<Op> FarCall::ask_new_mark(std::size_t at, Verb verb) {
  Ref<Op> op = ask(at, verb);
  Item& item = op->items.front();
  item.key = function_->mark_key_;
  if (verb != Verb::get) item.value = as_bytes(make_mark());
  return op;
}

void FarCall::take_record(std::size_t at, const std::string& bytes, const Look& how) {
  constexpr std::size_t end = 8;  // A checksum, or a part of a signature.
  seen_[at].unusable = bytes.substr(bytes.size() - std::min(bytes.size(), end));
  Chain& chain = function_->chain();
  Meter& meter = tier(at).meter;
  RecordOptions options;
  options.signer = function_->signer_;
  Record record;
  RecordFault fault = reader_.read(bytes, key_, options, record);
  const WallTime now = chain.now();
  if (fault == RecordFault::none) {
    if (record.marks.size() != 1 || record.marks.front() != seen_[at].mark) {
      if (!seen_[at].missed) count(meter.dead);
      return miss(at, "dead: cleared since it was stored");
    }
    if (record.times.usable_until <= now) {
      return miss(at, "expired " + span(now - record.times.usable_until) + " ago");
    }
    fault = how.accept(record, now);
  }
  if (fault != RecordFault::none) {
    if (!seen_[at].missed) count(meter.faults[static_cast<std::size_t>(fault)]);
    return miss(at, name_of(fault));
  }
  if (!record.times.fresh_at(now)) {
    return miss(at, "stale since " + span(now - record.times.fresh_until));
  }
  count(meter.hits);
  if (explains_) say(at, hit(record.times.fresh_until, now));
  found_ = true;
  found_at_ = at;
  if (how.writes && at > 0) {
    copy_ = {std::string(record.codec), std::string(record.payload), record.times};
  }
}

// False: the tier is not there.
bool FarCall::take_token(std::size_t at, const Op& op) {
  if (!settle(at, op)) return false;
  seen_[at].token = op.items.front().token;
  return true;
}

// A record that has come since it was looked for needs no lease.
Ref<Op> FarCall::ask_lease(std::size_t at, const Look& how) {
  Ref<Op> op = ask(at, Verb::lease);
  Item& item = op->items.front();
  item.looks = how.reads && tier(at).options.reads;
  item.value = seen_[at].unusable;
  return op;
}

bool FarCall::take_lease(std::size_t at, const Op& op, const Look& how) {
  if (!take_token(at, op)) return false;
  const Item& item = op.items.front();
  busy_ = item.reply == Reply::busy;
  seen_[at].has_lease = item.reply == Reply::done;
  if (item.reply == Reply::found) take_record(at, item.value, how);
  return true;
}

// What a write does that ends after it was given up: if its key was invalidated meanwhile, it is
// undone.
FarCall::Late FarCall::erase_again(std::size_t at) const {
  const std::uint32_t erasures = function_->chain().gate_->erasures(hash_);
  return [function = function_, at, hash = hash_, erasures](Op& written) {
    const Chain& chain = function->chain();
    if (!chain.gate_->erased_since(hash, erasures)) return;
    const std::string& key = written.items.front().key;
    chain.tiers_[at]->backend().submit(make_op(Verb::erase, key, SteadyMoment::max()));
  };
}

// The most that a result is fresh there: as it is told, and no longer than a farther tier that
// others change may be left unasked.
Duration FarCall::ttl_of(std::size_t at) const {
  Duration ttl = tier(at).options.ttl.value_or(Duration::max());
  for (std::size_t farther = at + 1; farther < seen_.size(); ++farther) {
    const Tier& other = tier(farther);
    if (other.can.shared && other.options.reads) ttl = std::min(ttl, other.near_ttl);
  }
  return ttl;
}

// The record of a result as this tier gets it; null: it gets none.
Ref<Op> FarCall::write(std::size_t at, const Result& result, bool explicitly, Late& late) {
  Chain& chain = function_->chain();
  Tier& tier = this->tier(at);
  const bool replaces = result.replaces || explicitly;
  if (replaces && !tier.options.writes && tier.options.reads) return ask(at, Verb::erase);
  if (!writes(at)) return {};
  // Without a token an invalidation in another process would not be noticed.
  const bool guarded = tier.can.leases && !explicitly;
  if (guarded && seen_[at].token == 0) return {};
  if (!tier.available(now_)) return {};
  const WallTime now = chain.now();
  const RecordTimes times = capped(result.times, ttl_of(at), now);
  Ref<Op> op = ask(at, guarded ? Verb::fill : Verb::put);
  Item& item = op->items.front();
  item.kills = result.replaces;
  RecordOptions options;
  options.signer = function_->signer_;
  options.compress_from = chain.options_.compress_from;
  if (!append_record(item.value, key_, times, result.codec, {&seen_[at].mark, 1}, result.payload,
                     options)) {
    count(tier.meter.faults[static_cast<std::size_t>(RecordFault::oversized)]);
    if (replaces) return ask(at, Verb::erase);
    tier.not_asked();
    return {};
  }
  // The store has a clock of its own, which is nobody's to move.
  item.expires = wall_now() + (times.usable_until == no_end ? microseconds(chain.options_.retain)
                                                            : times.usable_until - now);
  late = erase_again(at);
  return op;
}

bool FarCall::take_stored(std::size_t at, const Op& op) {
  if (op.verb() == Verb::fill) seen_[at].has_lease = false;
  if (!settle(at, op)) return false;
  if (op.verb() == Verb::erase) return true;
  const bool refused = op.items.front().reply == Reply::refused;
  refused_ = refused_ || refused;
  stored_ = stored_ || !refused;
  count(refused ? tier(at).meter.refused_stores : tier(at).meter.stores);
  return true;
}

void FarCall::miss(std::size_t at, std::string_view why) {
  if (!std::exchange(seen_[at].missed, true)) count(tier(at).meter.misses);
  say(at, why);
}

void FarCall::say(std::size_t at, std::string_view said) {
  if (!explains_) return;
  said_.push_back(
      {tier(at).name, std::string(said), std::chrono::steady_clock::now() - seen_[at].began});
}

}  // namespace dcache::engine
