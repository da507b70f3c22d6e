// SPDX-License-Identifier: MIT
#include "tiers/tier.hpp"

#include <mutex>
#include <new>
#include <utility>

#include "dcache/error.hpp"

namespace dcache::engine {

Tier::Tier(TierOptions given, const ChainOptions& chain)
    : options(std::move(given)),
      name(options.backend->name()),
      can(options.backend->capabilities()),
      budget(options.budget.value_or(options.backend->budget())),
      near_ttl(chain.near_ttl.value_or(options.backend->near_ttl())),
      mark_ttl(chain.mark_ttl.value_or(options.backend->mark_ttl())) {
  if (options.ttl && *options.ttl <= Duration(0)) {
    throw ConfigError("dcache: ttl of tier " + name + " is not above zero");
  }
  if (budget <= Duration(0)) {
    throw ConfigError("dcache: budget of tier " + name + " is not above zero");
  }
  if (near_ttl <= Duration(0)) {
    throw ConfigError("dcache: near_ttl, in front of tier " + name + ", is not above zero");
  }
  if (mark_ttl < Duration(0)) {
    throw ConfigError("dcache: mark_ttl of tier " + name + " is below zero");
  }
}

bool Tier::available(SteadyMoment now) noexcept {
  if (breaker_.allows(now)) return true;
  count(meter.skipped);
  return false;
}

bool Tier::settle(const Op& op, const ChainOptions& chain, SteadyMoment now) {
  const bool completed = op.completed();
  if (completed && op.trouble().empty()) {
    if (!op.follows()) breaker_.succeeded(now);
    return true;
  }
  count(meter.failures);
  if (!completed) count(meter.timeouts);
  if (completed && op.refused()) throw ConfigError(op.trouble());
  if (op.follows()) {
    // The breaker counts what the store was asked, not for how many.
  } else if (completed && op.reachable()) {
    breaker_.succeeded(now);
  } else {
    breaker_.failed(now);
  }
  const std::string why = completed ? op.trouble() : name + ": no answer in time";
  remember(why);
  tell(why, chain);
  return false;
}

void Tier::remember(std::string_view why) noexcept {
  std::shared_ptr<const std::string> trouble;
  try {
    const std::string named = name + ": ";
    if (why.starts_with(named)) why.remove_prefix(named.size());
    trouble = std::make_shared<const std::string>(why);
  } catch (const std::bad_alloc&) {
    return;  // Then the one before is told.
  }
  const std::lock_guard lock(lock_);
  last_trouble_.swap(trouble);
}

std::string Tier::last_trouble() const {
  std::shared_ptr<const std::string> trouble;
  {
    const std::lock_guard lock(lock_);
    trouble = last_trouble_;
  }
  return trouble ? *trouble : "";
}

void Tier::tell(const std::string& why, const ChainOptions& chain) {
  constexpr SteadyMoment::duration interval = std::chrono::seconds(10);
  if (!chain.on_trouble) return;
  const SteadyMoment::rep now = std::chrono::steady_clock::now().time_since_epoch().count();
  SteadyMoment::rep told = told_.load(std::memory_order_relaxed);
  if (told != 0 && now - told < interval.count()) return;
  if (told_.compare_exchange_strong(told, now)) chain.on_trouble(name, why);
}

TierStats Tier::stats() const {
  TierStats stats;
  stats.name = name;
  stats.hits = meter.hits.load(std::memory_order_relaxed);
  stats.misses = meter.misses.load(std::memory_order_relaxed);
  stats.dead = meter.dead.load(std::memory_order_relaxed);
  stats.stores = meter.stores.load(std::memory_order_relaxed);
  stats.refused_stores = meter.refused_stores.load(std::memory_order_relaxed);
  stats.failures = meter.failures.load(std::memory_order_relaxed);
  stats.timeouts = meter.timeouts.load(std::memory_order_relaxed);
  stats.skipped = meter.skipped.load(std::memory_order_relaxed);
  for (std::size_t i = 0; i < record_faults; ++i) {
    stats.faults[i] = meter.faults[i].load(std::memory_order_relaxed);
  }
  stats.breaker = breaker_.state();
  return stats;
}

}  // namespace dcache::engine
