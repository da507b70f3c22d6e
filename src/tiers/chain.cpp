// SPDX-License-Identifier: MIT
#include <algorithm>
#include <utility>

#include "dcache/engine/tiers.hpp"
#include "dcache/error.hpp"

#include "tiers/gate.hpp"
#include "tiers/tier.hpp"

namespace dcache::engine {

Chain::Chain(std::vector<TierOptions> tiers, ChainOptions options)
    : options_(std::move(options)), gate_(std::make_unique<Gate>()) {
  if (tiers.empty()) throw ConfigError("dcache: a chain without a far tier; expected at least one");
  if (options_.retain <= Duration(0)) throw ConfigError("dcache: retain is not above zero");
  if (!options_.secret.empty()) signer_ = std::make_unique<Signer>(options_.secret);
  tiers_.reserve(tiers.size());
  for (TierOptions& tier : tiers) {
    if (!tier.backend) throw ConfigError("dcache: a tier of the chain is null");
    tiers_.push_back(std::make_unique<Tier>(std::move(tier), options_));
  }
}

Chain::~Chain() = default;

std::vector<TierStats> Chain::stats() const {
  std::vector<TierStats> stats;
  stats.reserve(tiers_.size());
  for (const auto& tier : tiers_) stats.push_back(tier->stats());
  return stats;
}

std::optional<Duration> Chain::near_ttl() const noexcept {
  std::optional<Duration> least;
  for (const auto& tier : tiers_) {
    if (tier->can.shared) least = std::min(least.value_or(tier->near_ttl), tier->near_ttl);
  }
  return least;
}

SteadyMoment Chain::moment(SteadyMoment now) const noexcept {
  return options_.clock == nullptr ? now : SteadyMoment(options_.clock->now());
}

void Chain::check() const {
  for (const auto& tier : tiers_) tier->backend().check();
}

void Chain::close() noexcept {
  for (const auto& tier : tiers_) tier->backend().close();
}

WallTime Chain::now() const noexcept {
  constexpr WallTime epoch = 1'700'000'000'000'000;  // Of clocks that know no date.
  if (options_.clock != nullptr) return epoch + microseconds(options_.clock->now());
  return wall_now();
}

}  // namespace dcache::engine
