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
  if (options_.near_ttl <= Duration(0)) throw ConfigError("dcache: near_ttl is not above zero");
  if (options_.mark_ttl < Duration(0)) throw ConfigError("dcache: mark_ttl is below zero");
  if (!options_.secret.empty()) signer_ = std::make_unique<Signer>(options_.secret);
  tiers_.reserve(tiers.size());
  for (TierOptions& tier : tiers) {
    if (!tier.backend) throw ConfigError("dcache: a tier of the chain is null");
    tiers_.push_back(std::make_unique<Tier>(std::move(tier)));
  }
}

Chain::~Chain() = default;

std::vector<TierStats> Chain::stats() const {
  std::vector<TierStats> stats;
  stats.reserve(tiers_.size());
  for (const auto& tier : tiers_) stats.push_back(tier->stats());
  return stats;
}

bool Chain::shared() const noexcept {
  return std::any_of(tiers_.begin(), tiers_.end(),
                     [](const auto& tier) { return tier->can.shared; });
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
