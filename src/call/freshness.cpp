// SPDX-License-Identifier: MIT
#include <string>

#include "dcache/engine/memo.hpp"
#include "dcache/error.hpp"

namespace dcache::engine {
namespace {

void require(bool holds, const char* message) {
  if (!holds) throw ConfigError(std::string("dcache: ") + message);
}

std::string text(Duration value) { return std::to_string(value.count()) + " ns"; }
std::string text(double value) { return std::to_string(value); }

// `rule` and `advice` with what came between them.
template <class T>
void require(bool holds, const char* rule, const std::optional<T>& came, const char* advice) {
  if (!holds) {
    throw ConfigError(std::string("dcache: ") + rule + ", not " + text(*came) + advice);
  }
}

}  // namespace

void check_freshness(std::optional<Duration> ttl, bool has_ttl, const Freshness& freshness,
                     std::optional<Duration> wait, Duration flight_timeout) {
  constexpr Duration zero{0};
  require(!ttl || *ttl > zero, "ttl must be greater than zero", ttl,
          "; leave it out for results that are fresh until they are evicted or invalidated");
  require<Duration>(freshness.stale_for >= zero, "stale_for must be zero or more",
                    freshness.stale_for, "; zero, or leaving it out, serves nothing stale");
  require(freshness.stale_for == zero || has_ttl,
          "stale_for needs a ttl: without one nothing becomes stale");
  require(!freshness.refresh_ahead || has_ttl, "refresh_ahead needs a ttl: it is a fraction of it");
  require(
      !freshness.refresh_ahead || (*freshness.refresh_ahead > 0 && *freshness.refresh_ahead < 1),
      "refresh_ahead must be a fraction of ttl between 0 and 1, such as 0.8",
      freshness.refresh_ahead, "");
  require(freshness.jitter == 0 || has_ttl, "jitter needs a ttl: it is a fraction of it");
  require<double>(freshness.jitter >= 0 && freshness.jitter < 1,
                  "jitter must be a fraction of ttl from 0 to less than 1, such as 0.1",
                  freshness.jitter, "");
  require(!wait || *wait >= zero, "wait must be zero or more", wait,
          "; 0 serves a stale result at once, leaving it out only after a failure");
  require(!wait || freshness.stale_for > zero,
          "wait needs stale_for: without it there is no stale result to fall back on");
  require<Duration>(flight_timeout > zero, "flight_timeout must be greater than zero",
                    flight_timeout, "; leave it out for 30 s");
}

}  // namespace dcache::engine
