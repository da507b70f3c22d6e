// SPDX-License-Identifier: MIT
#include <string>

#include "dcache/engine/memo.hpp"
#include "dcache/error.hpp"

namespace dcache::engine {
namespace {

void require(bool holds, const char* message) {
  if (!holds) throw ConfigError(std::string("dcache: ") + message);
}

}  // namespace

void check_freshness(std::optional<Duration> ttl, bool has_ttl, const Freshness& freshness,
                     std::optional<Duration> wait, Duration flight_timeout) {
  constexpr Duration zero{0};
  require(!ttl || *ttl > zero,
          "ttl must be greater than zero; leave it out for results that are fresh until they are "
          "evicted or invalidated");
  require(freshness.stale_for >= zero, "stale_for must not be negative");
  require(freshness.stale_for == zero || has_ttl,
          "stale_for needs a ttl: without one nothing becomes stale");
  require(!freshness.refresh_ahead || has_ttl, "refresh_ahead needs a ttl: it is a fraction of it");
  require(
      !freshness.refresh_ahead || (*freshness.refresh_ahead > 0 && *freshness.refresh_ahead < 1),
      "refresh_ahead must be a fraction of ttl between 0 and 1, such as 0.8");
  require(freshness.jitter == 0 || has_ttl, "jitter needs a ttl: it is a fraction of it");
  require(freshness.jitter >= 0 && freshness.jitter < 1,
          "jitter must be a fraction of ttl from 0 to less than 1, such as 0.1");
  require(!wait || *wait >= zero, "wait must not be negative; 0 serves a stale result at once");
  require(!wait || freshness.stale_for > zero,
          "wait needs stale_for: without it there is no stale result to fall back on");
  require(flight_timeout > zero, "flight_timeout must be greater than zero");
}

}  // namespace dcache::engine
