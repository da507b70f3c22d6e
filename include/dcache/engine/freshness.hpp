// SPDX-License-Identifier: MIT
/// When a result is fresh, stale, due for a refresh, or dead: arithmetic on moments, no clock.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

#include "dcache/clock.hpp"
#include "dcache/engine/random.hpp"
#include "dcache/engine/roster.hpp"

namespace dcache::engine {

/// What a function's options say about time. Immutable.
struct Freshness {
  Duration stale_for{0};
  std::optional<double> refresh_ahead;
  double jitter = 0;

  /// `ttl` less the random part.
  Duration jittered(Duration ttl) const noexcept {
    if (jitter <= 0) return ttl;
    return part(ttl, 1.0 - jitter * random_fraction());
  }

  /// The terms of a result that is fresh for `ttl` from now on; `after(span)` is the table's.
  template <class After>
  Terms terms(Duration ttl, After&& after) const noexcept {
    const Moment fresh_until = after(ttl);
    Terms terms;
    terms.dies = fresh_until + stale_span();
    if (refresh_ahead) {
      terms.review = after(part(ttl, *refresh_ahead));
    } else if (stale_for > Duration(0)) {
      terms.review = fresh_until;
    }
    return terms;
  }

  /// The end of freshness of an entry with such terms.
  Moment fresh_until(const Terms& terms) const noexcept {
    return terms.dies == no_moment ? no_moment : terms.dies - std::min(terms.dies, stale_span());
  }

 private:
  static Duration part(Duration whole, double fraction) noexcept {
    const auto ticks = static_cast<double>(whole.count()) * fraction;
    return std::max(Duration(1), Duration(static_cast<Duration::rep>(ticks)));
  }

  Moment stale_span() const noexcept {
    return static_cast<Moment>(std::chrono::ceil<std::chrono::milliseconds>(stale_for).count());
  }
};

}  // namespace dcache::engine
