// SPDX-License-Identifier: MIT
/// The bodies of memo.hpp that concern many calls at once; it includes this file at its end.
#pragma once

#include <deque>
#include <span>

#include "dcache/engine/coalesce.hpp"
#include "dcache/engine/far_batch.hpp"
#include "dcache/engine/memo.hpp"

namespace dcache::engine {

// A call that this thread leads.
template <class R, class... P>
struct Memo<R, P...>::Led {
  Led(std::size_t number, const Key& key, Leadership<Running> leads)
      : at(number), view(view_of(key)), leadership(std::move(leads)) {}

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
  for (std::size_t begin = 0; begin < calls.size() && far_; begin += at_once) {
    map_some(calls, found, begin, std::min(begin + at_once, calls.size()));
  }
  std::vector<Given> results;
  results.reserve(calls.size());
  for (std::size_t at = 0; at < calls.size(); ++at) {
    results.push_back(found[at] ? std::move(*found[at]) : call(view_of(calls[at])));
  }
  return results;
}

// What is there, fresh or stale, and what others compute is left out. Nobody waits while he leads:
// two threads, or processes, that map the same calls in another order cannot wait for each other.
template <class R, class... P>
void Memo<R, P...>::map_some(const std::vector<Key>& calls,
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
    led.emplace_back(at, calls[at], std::move(leadership));
  }
  look_together(led);
  const Context::Adopt inside(context);
  for (Led& each : led) {
    if (!each.flown.far->busy() || each.found) results[each.at] = land(each);
    each.leadership = {};  // Busy: another process computes it, and who waits here asks anew.
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
  auto make_key = [&] { return own(led.view); };
  auto recheck = [&](const std::atomic<bool>&) { return led.found; };
  auto body = [&] { return run_or_stale(led.view, led.flown); };
  auto commit = [&](const Kept& kept, const std::atomic<bool>& detached) {
    store(led.view, kept, hash, led.flown, detached);
  };
  const FlightCall call{hash, led.view, make_key, recheck, body, commit};
  auto answer = lead_flight(std::move(led.leadership), call, limits());
  if (answer.ran) {
    counts_.count(bodies);
    measured(answer.cost);
  }
  if (led.flown.refresh_due) refresh_later(led.view, hash);
  return give(std::move(answer).take());
}

}  // namespace dcache::engine
