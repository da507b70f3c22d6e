// SPDX-License-Identifier: MIT
#include "dcache/engine/far_batch.hpp"

#include <algorithm>
#include <functional>
#include <new>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace dcache::engine {

void FarBatch::submit(Backend& backend, bool batches, const Ref<Op>& op) {
  const auto fits = [&](const Joint& joint) {
    return batches && joint.backend == &backend && joint.verb == op->verb();
  };
  auto joint = std::find_if(asked_.begin(), asked_.end(), fits);
  if (joint == asked_.end()) joint = asked_.insert(joint, {&backend, op->verb(), {}});
  if (!joint->shares.empty()) op->follow();
  joint->shares.push_back({stepping_, op});
}

void FarBatch::step(std::size_t part) {
  Part& stepped = parts_[part];
  stepping_ = part;
  stepped.call->batch_ = this;
  try {
    stepped.ended = stepped.walk->step();
  } catch (...) {
    stepped.ended = true;
    if (error_ == nullptr) error_ = std::current_exception();
  }
  stepped.call->batch_ = nullptr;
}

// A step of every part that does not wait for a moment to come. False: all have ended.
bool FarBatch::step_all() {
  const SteadyMoment now = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const Part& part = parts_[i];
    const bool waits = part.walk->op() == nullptr && part.walk->until() > now;
    if (!part.ended && !waits) step(i);
  }
  return std::any_of(parts_.begin(), parts_.end(), [](const Part& part) { return !part.ended; });
}

SteadyMoment FarBatch::next_moment() const {
  SteadyMoment next = SteadyMoment::max();
  for (const Part& part : parts_) {
    if (!part.ended) next = std::min(next, part.walk->until());
  }
  return next;
}

// What ends after it was given up is still told to those who asked: they may have to undo it.
std::function<void(Op&)> FarBatch::late(const Joint& joint) {
  return [shares = joint.shares](Op& whole) { hand_out(whole, shares); };
}

// Gives up what has not ended, if the walk is destroyed on its way.
struct FarBatch::UnderWay {
  std::vector<Joint> joints;

  explicit UnderWay(std::vector<Joint> asked) : joints(std::move(asked)) {
    // A loop comes for one after the other, and sends what it comes for.
    std::optional<OnLoop> sends_at_once;
    if (joints.size() > 1) sends_at_once.emplace(nullptr);
    for (Joint& joint : joints) {
      joint.op = unite(joint);
      joint.op->attend();
      joint.backend->submit(joint.op);
    }
  }
  UnderWay(const UnderWay&) = delete;
  UnderWay& operator=(const UnderWay&) = delete;
  ~UnderWay() {
    for (const Joint& joint : joints) {
      if (!joint.op->completed()) joint.op->abandon(late(joint));
    }
  }
};

Walk FarBatch::go() {
  while (step_all()) {
    if (asked_.empty()) co_await Until(next_moment());
    const UnderWay asked(std::exchange(asked_, {}));
    for (const Joint& joint : asked.joints) {
      std::function<void(Op&)> told = late(joint);
      co_await Completed(*joint.op, &told);
      settle(joint);
    }
  }
  if (error_ != nullptr) std::rethrow_exception(error_);
}

// What several ask of one key, the mark of their function for one, is asked once, and the first
// one's mark is made. Values to be stored are moved.
Ref<Op> FarBatch::unite(Joint& joint) {
  std::vector<Item> items;
  std::unordered_map<std::string_view, std::size_t> places;
  SteadyMoment deadline = SteadyMoment::min();
  for (Share& share : joint.shares) {
    deadline = std::max(deadline, share.op->deadline());
    for (Item& item : share.op->items) {
      const auto [known, added] = places.emplace(item.key, items.size());
      share.items.push_back(known->second);
      if (!added) continue;
      std::string value = std::move(item.value);
      items.push_back(item);
      items.back().value = std::move(value);
    }
  }
  return make_ref<Op>(joint.verb, std::move(items), deadline);
}

void FarBatch::hand_out(const Op& whole, const std::vector<Share>& shares) noexcept {
  for (const Share& share : shares) {
    if (whole.refused()) {
      share.op->refuse(whole.trouble());
    } else if (!whole.trouble().empty()) {
      share.op->fail(whole.trouble(), whole.reachable());
    } else {
      answer(whole, share);
    }
  }
}

void FarBatch::answer(const Op& whole, const Share& share) noexcept {
  try {
    for (std::size_t i = 0; i < share.items.size(); ++i) {
      const Item& said = whole.items[share.items[i]];
      Item& item = share.op->items[i];
      item.reply = said.reply;
      item.token = said.token;
      item.value = said.value;  // A copy: others may have asked for the same.
    }
    share.op->complete();
  } catch (const std::bad_alloc&) {
    share.op->fail("no memory", true);
  }
}

void FarBatch::settle(const Joint& joint) const {
  if (joint.op->completed()) return hand_out(*joint.op, joint.shares);
  for (const Share& share : joint.shares) parts_[share.part].walk->abandon();
}

}  // namespace dcache::engine
