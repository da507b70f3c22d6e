// SPDX-License-Identifier: MIT
/// The bodies of memo.hpp that concern many calls at once; it includes this file at its end.
#pragma once

#include <deque>
#include <span>

#include "dcache/engine/coalesce.hpp"
#include "dcache/engine/far_batch.hpp"
#include "dcache/engine/idle_flights.hpp"
#include "dcache/engine/memo.hpp"

namespace dcache::engine {

// A call that this thread leads.
template <class R, class... P>
struct Memo<R, P...>::Led {
  Led(std::size_t number, const Key& key, Leadership<Running> leads, Side side)
      : at(number), view(view_of(key)), leadership(std::move(leads)), flown(std::move(side)) {}

  std::size_t at;
  View view;
  Leadership<Running> leadership;
  Flown flown;
  std::optional<Kept> found;
  std::optional<Walk> walk;
};

template <class R, class... P>
std::vector<typename Memo<R, P...>::Given> Memo<R, P...>::map(const std::vector<Key>& calls) {
  constexpr std::size_t at_once = 64;
  std::vector<std::optional<Given>> found(calls.size());
  const bool looks =
      !mode_may_differ.load(std::memory_order_relaxed) || call_mode() == Mode::normal;
  const Side far = looks ? side() : nullptr;
  for (std::size_t begin = 0; begin < calls.size() && far; begin += at_once) {
    map_some(far, calls, found, begin, std::min(begin + at_once, calls.size()));
  }
  std::vector<Given> results;
  results.reserve(calls.size());
  for (std::size_t at = 0; at < calls.size(); ++at) {
    results.push_back(found[at] ? std::move(*found[at]) : call(view_of(calls[at])));
  }
  return results;
}

// Those whose bodies have not begun.
template <class R, class... P>
class Memo<R, P...>::Idle final : public IdleFlights {
 public:
  explicit Idle(std::deque<Led>& led) noexcept : led_(led) {}

  /// The next one is about to run. None: that was the last.
  Led* next() noexcept { return next_ < led_.size() ? &led_[next_++] : nullptr; }
  /// Who waits for one computes it, rather than wait until all before it are computed.
  void let_go_of_awaited() noexcept {
    let_go_if([](const Led& each) { return each.leadership.flight()->waiters() > 0; });
  }

 private:
  bool let_go() noexcept override {
    return let_go_if([](const Led&) { return true; });
  }
  template <class Condition>
  bool let_go_if(const Condition& condition) noexcept {
    bool any = false;
    for (std::size_t i = next_; i < led_.size(); ++i) {
      Led& each = led_[i];
      if (!each.leadership || !condition(each)) continue;
      each.walk.reset();
      each.flown.far.reset();  // With its lease: who goes on takes one of his own.
      each.leadership = {};
      any = true;
    }
    return any;
  }

  std::deque<Led>& led_;
  std::size_t next_ = 0;
};

// What is there, fresh or stale, and what others compute is left out. Nobody waits while he leads:
// two threads, or processes, that map the same calls in another order cannot wait for each other.
template <class R, class... P>
void Memo<R, P...>::map_some(const Side& far, const std::vector<Key>& calls,
                             std::vector<std::optional<Given>>& results, std::size_t begin,
                             std::size_t end) {
  std::deque<Led> led;
  Context context = Context::capture();  // A body is inside of all: it may ask for one of them.
  for (std::size_t at = begin; at < end; ++at) {
    const View view = view_of(calls[at]);
    const std::uint64_t hash = Hash<Key>{}(view);
    Hit hit;
    near_.find(view, hash, hit, false);
    if (hit) continue;
    auto joined = flights_.join(hash, view, [&] { return calls[at]; }, limits().now());
    if (!joined.leader) continue;
    Leadership<Running> leadership(flights_, std::move(joined.flight));
    near_.find(view, hash, hit);
    if (hit) continue;  // It has come meanwhile.
    context = context.with(leadership.flight());
    led.emplace_back(at, calls[at], std::move(leadership), far);
  }
  look_together(led);
  const Context::Adopt inside(context);
  for (Led& each : led) {
    if (each.found) results[each.at].emplace(land(each));
  }
  Idle idle(led);
  SteadyTime looked = limits().now();
  while (Led* const each = idle.next()) {
    if (!each->leadership) continue;  // It has landed, or was let go of.
    if (!each->flown.far->busy()) results[each->at].emplace(land(*each));
    each->leadership = {};  // Busy: another process computes it, and who waits here asks anew.
    const SteadyTime now = limits().now();
    if (now < looked + std::chrono::milliseconds(1)) continue;
    looked = now;
    idle.let_go_of_awaited();
  }
}

template <class R, class... P>
void Memo<R, P...>::look_together(std::deque<Led>& led) {
  FarBatch batch;
  for (Led& each : led) {
    FarCall::Look how = look_for(each.view, Hash<Key>{}(each.view), each.flown,
                                 each.leadership.flight()->guard(), each.found);
    how.patience = Duration(0);
    FarCall& call = begin_far(each.view, each.flown);
    each.walk.emplace(call.look(std::move(how)));
    batch.add(call, *each.walk);
  }
  engine::run(batch.go());
}

// What was found, or computed, for everybody who waits.
template <class R, class... P>
typename Memo<R, P...>::Given Memo<R, P...>::land(Led& led) {
  const std::uint64_t hash = Hash<Key>{}(led.view);
  const auto found = [&](const std::atomic<bool>&) { return led.found; };
  const auto call =
      flight_call(led.view, hash, [&] { return own(led.view); }, found, led.view, led.flown);
  auto answer = engine::lead_flight(std::move(led.leadership), call, limits());
  if (answer.ran) {
    counts_.count(bodies);
    measured(answer.cost);
  }
  if (led.flown.refresh_due) refresh_later(led.view, hash);
  return give(std::move(answer).take());
}

}  // namespace dcache::engine
