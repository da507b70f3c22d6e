// SPDX-License-Identifier: MIT
#include "testing/tier_face.hpp"

#include <exception>
#include <utility>
#include <vector>

#include "dcache/engine/cbor.hpp"
#include "dcache/engine/far_batch.hpp"
#include "dcache/error.hpp"

namespace dcache::testing {
namespace {

using engine::Capabilities;
using engine::FarBatch;
using engine::FarCall;
using engine::Item;
using engine::no_end;
using engine::Op;
using engine::Record;
using engine::RecordFault;
using engine::Ref;
using engine::Reply;
using engine::Verb;
using engine::Walk;
using engine::WallTime;

constexpr const char* codec = "suite";

FarCall::Look without_reading(bool leases) {
  FarCall::Look how;
  how.reads = false;
  how.leases = leases;
  how.patience = {};
  return how;
}

FarCall::Result result_of(Item& item) {
  FarCall::Result result;
  result.codec = codec;
  result.payload = std::move(item.value);
  result.times.created = engine::wall_now();
  result.times.fresh_until = result.times.usable_until = item.expires;
  result.replaces = item.kills;
  return result;
}

// All calls side by side; `walk` begins the way of one.
template <class Walks>
void together(std::vector<std::unique_ptr<FarCall>>& calls, Walks&& walk) {
  std::vector<Walk> walks;
  walks.reserve(calls.size());
  FarBatch batch;
  for (std::size_t i = 0; i < calls.size(); ++i) {
    walks.push_back(walk(*calls[i], i));
    batch.add(*calls[i], walks.back());
  }
  run(batch.go());
}

Capabilities around(const engine::TierOptions& tier) {
  Capabilities can = tier.backend->capabilities();
  can.local = true;
  can.adds = can.wakes = false;
  can.leases = can.leases && tier.writes;
  return can;
}

}  // namespace

TierFace::TierFace(const std::string& name, const engine::TierOptions& tier,
                   engine::ChainOptions chain)
    : backend_(tier.backend),
      can_(around(tier)),
      chain_(std::make_shared<engine::Chain>(std::vector{tier}, std::move(chain))),
      function_(std::make_shared<engine::FarFunction>(chain_, "", name, "")) {}

std::string TierFace::name() const { return backend_->name(); }

std::chrono::nanoseconds TierFace::budget() const noexcept { return backend_->budget(); }

void TierFace::submit(const Ref<Op>& op) noexcept {
  try {
    answer(*op);
  } catch (const std::exception& error) {
    return op->fail(error.what(), true);
  }
  op->complete();
}

void TierFace::answer(Op& op) {
  if (op.verb() == Verb::get) return get(op);
  if (op.verb() == Verb::put) return put(op);
  for (Item& item : op.items) {
    switch (op.verb()) {
      case Verb::erase:
        run(call(item)->erase());
        item.reply = Reply::done;
        break;
      case Verb::lease:
      case Verb::watch:
        begin(item, op.verb() == Verb::lease);
        break;
      case Verb::fill:
        fill(item);
        break;
      case Verb::release:
        release(item);
        break;
      default:
        item.reply = Reply::failed;
    }
  }
}

TierFace::Call TierFace::call(const Item& item) const {
  std::string arguments;
  engine::cbor::append_head(arguments, engine::cbor::Major::array, 1);
  engine::cbor::append_text(arguments, item.key);
  return std::make_unique<FarCall>(function_, function_->key(arguments));
}

std::vector<TierFace::Call> TierFace::calls_of(const Op& op) const {
  std::vector<Call> calls;
  calls.reserve(op.items.size());
  for (const Item& item : op.items) calls.push_back(call(item));
  return calls;
}

void TierFace::get(Op& op) const {
  std::vector<Call> calls = calls_of(op);
  together(calls, [&](FarCall& call, std::size_t i) {
    Item& item = op.items[i];
    item.reply = Reply::missing;
    FarCall::Look how;
    how.leases = how.writes = false;
    how.accept = [&item](const Record& record, WallTime now) {
      if (record.codec != codec) return RecordFault::unknown_codec;
      if (!record.times.fresh_at(now)) return RecordFault::none;
      item.value = record.payload;
      item.reply = Reply::found;
      return RecordFault::none;
    };
    return call.look(std::move(how));
  });
}

void TierFace::put(Op& op) const {
  std::vector<Call> calls = calls_of(op);
  together(calls, [](FarCall& call, std::size_t) { return call.look(without_reading(false)); });
  Reply not_stored = Reply::done;  // By a tier that is not written to.
  try {
    together(calls, [&](FarCall& call, std::size_t i) { return call.put(result_of(op.items[i])); });
  } catch (const TierError&) {
    not_stored = Reply::failed;
  }
  for (std::size_t i = 0; i < calls.size(); ++i) {
    op.items[i].reply = calls[i]->stored() ? Reply::done : not_stored;
  }
}

void TierFace::begin(Item& item, bool leases) {
  Call begun = call(item);
  FarCall::Look how = without_reading(leases);
  how.reads = leases && item.looks;
  const std::string seen = std::exchange(item.value, {});
  how.accept = [&](const Record& record, WallTime now) {
    if (!engine::is_news(record.payload, seen)) return RecordFault::mismatch;
    if (record.times.fresh_at(now)) item.value = record.payload;
    return RecordFault::none;
  };
  run(begun->look(std::move(how)));
  item.reply = begun->found() ? Reply::found : begun->busy() ? Reply::busy : Reply::done;
  if (begun->found()) return;
  const std::lock_guard lock(mutex_);
  item.token = ++tokens_;
  begun_.emplace(item.token, std::move(begun));
}

TierFace::Call TierFace::take(std::uint64_t token) {
  const std::lock_guard lock(mutex_);
  const auto found = begun_.find(token);
  if (found == begun_.end()) return nullptr;
  Call begun = std::move(found->second);
  begun_.erase(found);
  return begun;
}

void TierFace::fill(Item& item) {
  const Call begun = take(item.token);
  if (begun == nullptr) {
    item.reply = Reply::refused;
    return;
  }
  run(begun->store(result_of(item), nullptr));
  item.reply = begun->refused() ? Reply::refused : begun->stored() ? Reply::done : Reply::failed;
}

void TierFace::release(Item& item) {
  take(item.token).reset();
  // Nobody waits for a lease that is given back; it has arrived when what is asked after it has.
  run(call(item)->look(without_reading(false)));
  item.reply = Reply::done;
}

}  // namespace dcache::testing
