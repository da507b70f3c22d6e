// SPDX-License-Identifier: MIT
/// The far tiers of functions that name no `Cache`: what `DCACHE_URL` or `dcache::configure` says.
/// Who opens URLs is a room above; it announces itself here (`dcache/cache.hpp`). Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "dcache/clock.hpp"
#include "dcache/engine/tiers.hpp"

namespace dcache::engine {

struct DefaultTiers {
  std::shared_ptr<Chain> chain;
  std::string space;
};

/// Nothing: memory alone. Throws ConfigError for a URL that can never work.
std::optional<DefaultTiers> default_tiers();

/// Another number once they may be others.
std::uint32_t default_tiers_epoch() noexcept;
void renew_default_tiers() noexcept;

/// `open` is asked by `default_tiers`, each time.
bool announce_default_tiers(std::optional<DefaultTiers> (*open)()) noexcept;

/// Says on the standard error output that the results of a function stay in this process, and why.
void warn_stays_near(const std::string& name, const char* why) noexcept;

}  // namespace dcache::engine
