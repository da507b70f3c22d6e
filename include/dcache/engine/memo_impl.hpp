// SPDX-License-Identifier: MIT
/// The bodies of memo.hpp, which includes this file at its end.
#pragma once

#include "dcache/engine/memo.hpp"

namespace dcache::engine {

template <class R, class... P>
template <class... Binding>
Memo<R, P...>::Memo(std::string name, Function function, Options options, Binding&&... binding)
    : name_(std::move(name)),
      function_(std::move(function)),
      options_(std::move(options)),
      freshness_{options_.stale_for, options_.refresh_ahead, options_.jitter},
      pause_(std::min<Duration>(options_.ttl.fixed().value_or(std::chrono::seconds(1)),
                                std::chrono::seconds(1))),
      far_(std::forward<Binding>(binding)...),
      keeps_near_(far_.near()),
      near_(near_options(options_)) {
  if (!function_) throw ConfigError("dcache: memoize needs a function, and this one is null");
  check_freshness(options_.ttl.fixed(), static_cast<bool>(options_.ttl), freshness_, options_.wait,
                  options_.flight_timeout);
}

template <class R, class... P>
typename Memo<R, P...>::Near::Options Memo<R, P...>::near_options(const Options& options) {
  typename Near::Options near;
  near.max_entries = options.max_entries;
  near.max_weight = options.max_weight;
  if (options.weigher) {
    near.weigher = [weigh = options.weigher](const Key&, const Kept& kept) {
      return weigh(see(kept));
    };
  }
  near.policy = options.policy;
  near.clock = options.clock;
  return near;
}

template <class R, class... P>
typename Memo<R, P...>::Given Memo<R, P...>::call_in_mode(const View& view, std::uint64_t hash) {
  const Mode mode = call_mode();
  if (mode != Mode::normal) counts_.count(unlooked);
  if (mode == Mode::refresh) return compute(view, hash, false, Sight::blind);
  if (mode == Mode::bypass) {
    counts_.count(bodies);
    return give(run(view));
  }
  Hit hit;
  near_.find(view, hash, hit);
  if (hit && !hit.review()) return give(hit.value());
  return answer(view, hash, hit);
}

// Not there, or there and past its review.
template <class R, class... P>
typename Memo<R, P...>::Given Memo<R, P...>::answer(const View& view, std::uint64_t hash,
                                                    Hit& hit) {
  if (!hit) return compute(view, hash, false);
  const bool fresh = hit.now() < freshness_.fresh_until(hit.terms());
  if (const Side far = fresh ? far_.of(name_) : nullptr) {
    if (!far_mode().reads) {  // Believed until it is time to ask again.
      const Kept kept = hit.value();
      hit = Hit();
      near_.set_review(view, hash, near_.after(far->near_ttl.value_or(pause_)));
      return give(kept);
    }
    hit = Hit();  // Others may know better: the far tiers are asked first.
    return compute(view, hash, true);
  }
  if (fresh || options_.wait) return serve_or_refresh(view, hash, hit, fresh);
  hit = Hit();  // A pin is not held while the body runs.
  return compute(view, hash, true);
}

// Computes here, or waits for whoever does. If that fails and what there was may still be served,
// it is.
template <class R, class... P>
typename Memo<R, P...>::Given Memo<R, P...>::compute(const View& view, std::uint64_t hash,
                                                     bool may_be_stale, Sight sight) {
  Flown flown(side());
  const auto call = flight_call(
      view, hash, [&] { return own(view); }, looking(view, hash, flown, sight), view, flown);
  auto answer = engine::coalesce(flights_, call, limits());
  if (answer.ran) {
    counts_.count(bodies);
    measured(answer.cost);
  } else {
    counts_.count(waited);
  }
  if (may_be_stale && answer.value() == nullptr && answer.commit_error == nullptr) {
    if (const auto kept = find_after_failure(view, hash)) return give(*kept);
  }
  if (flown.refresh_due) refresh_later(view, hash);
  return give(std::move(answer).take());
}

// There is something to serve. Somebody refreshes in the background; a caller with a stale result
// waits a little for that.
template <class R, class... P>
typename Memo<R, P...>::Given Memo<R, P...>::serve_or_refresh(const View& view, std::uint64_t hash,
                                                              Hit& hit, bool fresh) {
  Kept kept = hit.value();
  // What is fresh is looked at again when it ceases to be, whether a refresh is running or not.
  const Moment pause = near_.after(pause_);
  const Moment pause_until = fresh ? std::min(pause, freshness_.fresh_until(hit.terms())) : pause;
  hit = Hit();
  auto joined = flights_.join(hash, view, [&] { return own(view); }, limits().now());
  const auto flight = joined.flight;
  if (joined.leader) {
    start_refresh(Leadership<Running>(flights_, std::move(joined.flight)), view, hash, pause_until);
  }
  if (!fresh && *options_.wait > Duration(0)) {
    FlightLimits patience = limits();
    patience.wait = *options_.wait;
    ThreadWaiter waiter;
    const auto answer = engine::await_flight<Running>(flight, patience, waiter);
    if (answer && answer->value() != nullptr) {
      counts_.count(waited);
      return give(*answer->value());
    }
    // While we waited it may have been invalidated, or another result may have taken its place.
    near_.find(view, hash, hit, false);
    if (!hit) return compute(view, hash, false);
    kept = hit.value();
    fresh = hit.now() < freshness_.fresh_until(hit.terms());
  }
  if (!fresh) counts_.count(stale);
  return give(kept);
}

template <class R, class... P>
auto Memo<R, P...>::looking(const View& view, std::uint64_t hash, Flown& flown, Sight sight) {
  return [this, &view, hash, &flown, sight](const std::atomic<bool>& detached) {
    return find_anywhere(view, hash, flown, detached, sight);
  };
}

template <class R, class... P>
template <class MakeKey, class Recheck, class Arguments>
auto Memo<R, P...>::flight_call(const View& view, std::uint64_t hash, MakeKey make_key,
                                Recheck recheck, const Arguments& arguments, Flown& flown) {
  auto body = [this, &arguments, &flown] {
    return flown.side ? run_or_stale(arguments, flown) : run(arguments);
  };
  auto commit = [this, &view, hash, &flown](const Kept& kept, const std::atomic<bool>& detached) {
    store(view, kept, hash, flown, detached);
  };
  return FlightCall{hash, view, std::move(make_key), recheck, body, commit};
}

template <class R, class... P>
std::optional<typename Memo<R, P...>::Kept> Memo<R, P...>::find_fresh(
    const View& view, std::uint64_t hash, std::optional<Kept>* suspect) {
  Hit hit;
  near_.find(view, hash, hit, false);
  if (!hit) return std::nullopt;
  const Moment fresh_until = freshness_.fresh_until(hit.terms());
  if (fresh_until != no_moment && hit.now() >= fresh_until) return std::nullopt;
  if (suspect == nullptr || !hit.review()) return hit.value();
  *suspect = hit.value();
  return std::nullopt;
}

// What is still there after a failure was not invalidated meanwhile: it may be served. If it is the
// stale one, nobody tries again for a moment; it may also be one that was put.
template <class R, class... P>
std::optional<typename Memo<R, P...>::Kept> Memo<R, P...>::find_after_failure(const View& view,
                                                                              std::uint64_t hash) {
  Hit hit;
  near_.find(view, hash, hit, false);
  if (!hit) return std::nullopt;
  Kept kept = hit.value();
  const bool fresh = hit.now() < freshness_.fresh_until(hit.terms());
  hit = Hit();
  if (fresh) return kept;
  near_.set_review(view, hash, near_.after(pause_));
  counts_.count(stale);
  return kept;
}

// A refused task drops its leadership, which abandons the flight: what there is goes on being
// served, and the next try is after the pause. What `on_background` is given owns all that it
// needs: it may be kept, and called when that has returned.
template <class R, class... P>
void Memo<R, P...>::start_refresh(Leadership<Running> leadership, const View& view,
                                  std::uint64_t hash, Moment pause_until) {
  if (!options_.wait || *options_.wait == Duration(0)) near_.set_review(view, hash, pause_until);
  leadership.queue();
  auto carried = std::make_shared<Leadership<Running>>(std::move(leadership));
  auto refresh = [self = this->shared_from_this(), carried, hash] {
    if (*carried && carried->begin()) self->refresh_in_background(std::move(*carried), hash);
  };
  auto task = [self = this->shared_from_this(), refresh = std::move(refresh)] {
    if (self->options_.on_background) {
      self->options_.on_background(refresh);
    } else {
      refresh();
    }
  };
  if (!background().submit(std::move(task))) counts_.count(refresh_failures);
}

template <class R, class... P>
void Memo<R, P...>::refresh_in_background(Leadership<Running> leadership, std::uint64_t hash) {
  const auto flight = leadership.flight();  // Owns the key that the body's arguments point into.
  const View view = view_of(flight->key());
  Flown flown(side());
  const auto call = flight_call(
      view, hash, [&] { return flight->key(); }, looking(view, hash, flown, Sight::background),
      flight->key(), flown);
  const auto answer = engine::lead_flight(std::move(leadership), call, limits());
  counts_.count(refreshes);
  measured(answer.cost);
  if (const std::exception_ptr error = answer.error()) {
    counts_.count(refresh_failures);
    if (!flight->detached()) near_.set_review(view, hash, near_.after(pause_));
    if (options_.on_refresh_error) options_.on_refresh_error(error);
  }
}

// Detached before and after the erasing: whoever stores later finds the guard set, and whoever
// began in between may have found the old entry.
template <class R, class... P>
bool Memo<R, P...>::invalidate(const View& view) {
  const std::uint64_t hash = Hash<Key>{}(view);
  bool erased = false, far = false;
  const bool detached = flights_.invalidate(hash, view, [&] {
    far = far_then_near([&](Flown& flown) { engine::run(begin_far(view, flown).erase()); },
                        [&] { erased = near_.erase(view, hash); });
  });
  return erased || detached || far;
}

template <class R, class... P>
typename Memo<R, P...>::Given Memo<R, P...>::refresh(const View& view) {
  const std::uint64_t hash = Hash<Key>{}(view);
  Flown flown(side());
  const auto call = flight_call(
      view, hash, [&] { return own(view); }, looking(view, hash, flown, Sight::blind), view, flown);
  auto answer = engine::refresh_flight(flights_, call, limits());
  counts_.count(refreshes);
  measured(answer.cost);
  return give(std::move(answer).take());
}

template <class R, class... P>
std::optional<typename Memo<R, P...>::Given> Memo<R, P...>::peek(const View& view) {
  std::optional<Kept> suspect;
  Side far = side();
  const auto kept = find_fresh(view, Hash<Key>{}(view), far ? &suspect : nullptr);
  if (kept) return give(*kept);
  return far ? peek_far(std::move(far), view, suspect) : std::nullopt;
}

template <class R, class... P>
bool Memo<R, P...>::put(R result, const View& view) {
  const std::uint64_t hash = Hash<Key>{}(view);
  const Kept kept = keep(std::move(result));
  bool stored = false;
  flights_.invalidate(hash, view, [&] {
    const std::optional<Life> life = life_of(kept);
    if (!life) {
      far_then_near([&](Flown& flown) { engine::run(begin_far(view, flown).erase()); },
                    [&] { near_.erase(view, hash); });
      return;
    }
    Side has_it;
    const bool far = far_then_near(
        [&](Flown& flown) {
          prepare_far(view, flown, {.computes = false});
          engine::run(flown.far->put(far_result(kept, *life, flown)));
          if (flown.far->stored()) has_it = flown.side;
        },
        [&] {
          stored = store_near(view, kept, *life, hash, nullptr, has_it.get());
          if (!stored) near_.erase(view, hash);
        });
    stored = stored || far;
  });
  return stored;
}

template <class R, class... P>
void Memo<R, P...>::clear() {
  flights_.invalidate_all([&] {
    far_then_near([&](Flown& flown) { engine::run(flown.side->function->clear()); },
                  [&] { near_.clear(); });
  });
}

template <class R, class... P>
std::optional<Life> Memo<R, P...>::life_of(const Kept& kept) const {
  if (options_.cache_if && !options_.cache_if(see(kept))) return std::nullopt;
  if (!options_.ttl) return Life{};
  const Duration ttl = options_.ttl.of(see(kept));
  if (ttl <= Duration(0)) return std::nullopt;
  return Life{freshness_.jittered(ttl)};
}

template <class R, class... P>
bool Memo<R, P...>::store_near(const View& view, const Kept& kept, const Life& life,
                               std::uint64_t hash, Detached detached, const Far* far) {
  if (!keeps_near_) return false;
  Terms terms;
  const auto after = [this](Duration span) { return near_.after(span); };
  if (life.ttl) terms = freshness_.terms(*life.ttl, after);
  if (far != nullptr) terms = suspected(terms, far->near_ttl, freshness_.stale_for, after);
  const Stored stored = near_.store(own(view), Kept(kept), hash, terms, detached);
  return stored == Stored::inserted || stored == Stored::replaced;
}

template <class R, class... P>
void Memo<R, P...>::forget_old(const View& view, std::uint64_t hash, Flown& flown,
                               Detached detached) {
  if (detached->load(std::memory_order_acquire)) return;
  if (flown.side && far_mode().writes) {
    FarCall& far = flown.far ? *flown.far : begin_far(view, flown);
    engine::run(far.erase());
  }
  near_.erase(view, hash);
}

template <class R, class... P>
void Memo<R, P...>::store(const View& view, const Kept& kept, std::uint64_t hash, Flown& flown,
                          const std::atomic<bool>& detached) {
  if (flown.served_stale) {  // Nobody tries again for a moment.
    if (keeps_near_) near_.set_review(view, hash, near_.after(pause_));
    return;
  }
  const std::optional<Life> life = life_of(kept);
  if (!life) {
    if (flown.blind) forget_old(view, hash, flown, &detached);
    return;
  }
  const Far* has_it = nullptr;
  if (flown.side && far_mode().writes) {
    if (!flown.far) prepare_far(view, flown, {.leases = false});  // It was computed through.
    try {
      engine::run(flown.far->store(far_result(kept, *life, flown), &detached));
    } catch (const std::exception&) {
      // By a codec of the user's: the result stays near.
    }
    if (flown.far->refused()) return;
    if (flown.far->stored()) has_it = flown.side.get();
  }
  const bool stored = store_near(view, kept, *life, hash, &detached, has_it);
  if (!stored && flown.blind && !detached.load(std::memory_order_acquire)) near_.erase(view, hash);
}

template <class R, class... P>
FlightLimits Memo<R, P...>::limits() const noexcept {
  FlightLimits limits;
  limits.flight_timeout = options_.flight_timeout;
  limits.cost = std::chrono::nanoseconds(cost_.load(std::memory_order_relaxed));
  return limits;
}

template <class R, class... P>
void Memo<R, P...>::measured(std::chrono::nanoseconds cost) noexcept {
  if (cost.count() == 0) return;
  const auto before = cost_.load(std::memory_order_relaxed);
  cost_.store(before == 0 ? cost.count() : before + (cost.count() - before) / 4,
              std::memory_order_relaxed);
}

template <class R, class... P>
MemoizeStats Memo<R, P...>::stats() const noexcept {
  MemoizeStats stats;
  stats.near = near_.stats();
  stats.misses = counts_.sum(bodies);
  const std::uint64_t calls = stats.near.hits + stats.near.misses + counts_.sum(unlooked);
  stats.hits = calls - std::min(calls, stats.misses);
  stats.waited = counts_.sum(waited);
  stats.stale = counts_.sum(stale);
  stats.refreshes = counts_.sum(refreshes);
  stats.refresh_failures = counts_.sum(refresh_failures);
  return stats;
}

}  // namespace dcache::engine
