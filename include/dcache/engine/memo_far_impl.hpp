// SPDX-License-Identifier: MIT
/// The bodies of memo.hpp that concern far tiers; it includes this file at its end.
#pragma once

#include <exception>

#include "dcache/engine/memo.hpp"

namespace dcache::engine {

template <class R, class... P>
FarCall& Memo<R, P...>::begin_far(const View& view, Flown& flown) const {
  const std::shared_ptr<FarFunction>& function = flown.side->function;
  return flown.far.emplace(function, function->key(flown.side->arguments(view)));
}

// For a result that is stored without having been looked for: the marks of now, and tokens.
template <class R, class... P>
void Memo<R, P...>::prepare_far(const View& view, Flown& flown, FarCall::Look how) const {
  how.reads = false;
  how.writes = far_mode().writes;
  how.patience = Duration(0);
  engine::run(begin_far(view, flown).look(std::move(how)));
}

// Filled meanwhile, or to be had from a far tier.
template <class R, class... P>
std::optional<typename Memo<R, P...>::Kept> Memo<R, P...>::find_anywhere(
    const View& view, std::uint64_t hash, Flown& flown, const std::atomic<bool>& detached,
    Sight sight) {
  flown.blind = sight == Sight::blind;
  if (!flown.side) return sight == Sight::all ? find_fresh(view, hash) : std::nullopt;
  flown.detached = &detached;
  flown.replaces = sight != Sight::all;
  if (sight != Sight::all) {
    prepare_far(view, flown, {.leases = sight == Sight::background});
    if (sight == Sight::blind || !flown.far->busy()) return std::nullopt;
    Hit hit;
    near_.find(view, hash, hit, false);
    return hit ? std::optional<Kept>(hit.value()) : std::nullopt;
  }
  std::optional<Kept> suspect;
  if (auto sure = find_fresh(view, hash, &suspect)) return sure;
  if (auto found = find_far(view, hash, flown, detached)) return found;
  // As long as nobody can be asked, it lives to its own end.
  if (!suspect || !flown.far->unreachable()) return std::nullopt;
  near_.set_review(view, hash, near_.after(pause_));
  return suspect;
}

template <class R, class... P>
RecordFault Memo<R, P...>::take(const Far& far, const Record& record, std::optional<R>& result) {
  if (record.codec != plain_codec) return RecordFault::unknown_codec;
  try {
    if (auto decoded = far.decode(record.payload)) result.emplace(std::move(*decoded));
  } catch (const std::exception&) {  // A codec of the user's.
    return RecordFault::mismatch;
  }
  return result ? RecordFault::none : RecordFault::mismatch;
}

// What is found is kept near, what is stale, too: it may be served if computing fails.
template <class R, class... P>
FarCall::Look Memo<R, P...>::look_for(const View& view, std::uint64_t hash, Flown& flown,
                                      const std::atomic<bool>& detached,
                                      std::optional<Kept>& found) {
  FarCall::Look how;
  how.writes = far_mode().writes;
  how.patience = engine::patience(limits(), 0);
  how.detached = &detached;
  how.accept = [this, &view, hash, &flown, &detached, &found](const Record& record, WallTime now) {
    std::optional<R> result;
    const Far& far = *flown.side;
    const RecordFault fault = take(far, record, result);
    if (fault != RecordFault::none) return fault;
    Kept kept = keep(std::move(*result));
    if (keeps_near_) {
      const auto after = [this](Duration span) { return near_.after(span); };
      const Terms terms = terms_of(record.times, now, freshness_, after);
      near_.store(own(view), Kept(kept), hash,
                  suspected(terms, far.near_ttl, freshness_.stale_for, after), &detached);
    }
    // With `wait` set a stale result is served at once, and refreshed in the background.
    const bool fresh = record.times.fresh_at(now);
    const bool serves = fresh || options_.wait;
    if (serves && !fresh) counts_.count(stale);
    flown.refresh_due =
        serves && (!fresh || now >= refresh_time(record.times, freshness_.refresh_ahead));
    (serves ? found : flown.stale) = std::move(kept);
    return RecordFault::none;
  };
  return how;
}

template <class R, class... P>
std::optional<typename Memo<R, P...>::Kept> Memo<R, P...>::find_far(
    const View& view, std::uint64_t hash, Flown& flown, const std::atomic<bool>& detached) {
  std::optional<Kept> found;
  FarCall::Look how = look_for(view, hash, flown, detached, found);
  engine::run(begin_far(view, flown).look(std::move(how)));
  return found;
}

// What fails may be answered with what a far tier still had, for everybody who waits, unless that
// was invalidated meanwhile.
template <class R, class... P>
template <class Arguments>
typename Memo<R, P...>::Kept Memo<R, P...>::run_or_stale(const Arguments& arguments, Flown& flown) {
  const auto begun = std::chrono::steady_clock::now();
  try {
    Kept kept = run(arguments);
    flown.cost = std::chrono::steady_clock::now() - begun;
    return kept;
  } catch (...) {
    if (std::current_exception() == nullptr)
      throw;  // No exception of C++: the thread is cancelled.
    const bool gone = flown.detached != nullptr && flown.detached->load(std::memory_order_acquire);
    if (!flown.stale || gone) throw;
    flown.served_stale = true;
    counts_.count(stale);
    return *flown.stale;
  }
}

// A near result that others may have changed counts only where nobody can be asked.
template <class R, class... P>
std::optional<typename Memo<R, P...>::Given> Memo<R, P...>::peek_far(
    Side side, const View& view, const std::optional<Kept>& suspect) {
  Flown flown(std::move(side));
  std::optional<R> found;
  const auto accept = [&](const Record& record, WallTime now) {
    std::optional<R> result;
    const RecordFault fault = take(*flown.side, record, result);
    if (fault == RecordFault::none && record.times.fresh_at(now)) found.emplace(std::move(*result));
    return fault;
  };
  FarCall::Look how;
  how.accept = accept;
  how.writes = false;
  engine::run(begin_far(view, flown).look(std::move(how)));
  if (found) return give(keep(std::move(*found)));
  return suspect && flown.far->unreachable() ? std::optional<Given>(give(*suspect)) : std::nullopt;
}

template <class R, class... P>
FarCall::Result Memo<R, P...>::far_result(const Kept& kept, const Life& life,
                                          const Flown& flown) const {
  return {std::string(plain_codec), flown.side->encode(see(kept)),
          times_of(flown.side->function->chain().now(), life.ttl, freshness_.stale_for, flown.cost),
          flown.replaces};
}

template <class R, class... P>
void Memo<R, P...>::refresh_later(const View& view, std::uint64_t hash) {
  auto joined = flights_.join(hash, view, [&] { return own(view); }, limits().now());
  if (!joined.leader) return;
  start_refresh(Leadership<Running>(flights_, std::move(joined.flight)), view, hash,
                near_.after(pause_));
}

template <class R, class... P>
template <class FarVerb, class NearVerb>
bool Memo<R, P...>::far_then_near(FarVerb&& far_verb, NearVerb&& near_verb) {
  std::exception_ptr error;
  bool far = false;
  try {
    if (Flown flown(far_.of(name_)); flown.side) {
      far = true;
      require_far_writes();
      far_verb(flown);
    }
  } catch (...) {  // A codec of the user's may throw anything.
    error = std::current_exception();
    if (error == nullptr) throw;  // No exception of C++: the thread is being cancelled.
  }
  near_verb();
  if (error != nullptr) std::rethrow_exception(error);
  return far;
}

template <class R, class... P>
std::vector<TierStats> Memo<R, P...>::far_stats() {
  const Side far = far_.of(name_);
  return far ? far->function->chain().stats() : std::vector<TierStats>();
}

template <class R, class... P>
std::string Memo<R, P...>::explain(const View& view) {
  std::string text;
  if (const std::string_view mode = mode_name(); mode != "normal") {
    text.append("mode: ").append(mode) += '\n';
  }
  text += "memory: ";
  Hit hit;
  near_.find(view, Hash<Key>{}(view), hit, false);
  if (!keeps_near_) {
    text += "not used";
  } else if (!hit) {
    text += "not there";
  } else {
    const bool fresh = hit.now() < freshness_.fresh_until(hit.terms());
    text += !fresh ? "stale" : hit.review() ? "there, to be confirmed" : "there, fresh";
  }
  text += '\n';
  Flown flown(side());
  if (!flown.side) return text;
  FarCall::Look how;
  how.accept = [&flown](const Record& record, WallTime) {
    std::optional<R> result;
    return take(*flown.side, record, result);
  };
  how.writes = false;
  how.explains = true;
  engine::run(begin_far(view, flown).look(std::move(how)));
  for (const TierSaid& each : flown.far->said()) {
    text +=
        each.tier + ": " + each.said + " (" +
        std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(each.took).count()) +
        " us)\n";
  }
  return text;
}

}  // namespace dcache::engine
