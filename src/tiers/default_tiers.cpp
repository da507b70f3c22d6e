// SPDX-License-Identifier: MIT
#include "dcache/engine/default_tiers.hpp"

#include <atomic>
#include <cstdio>

namespace dcache::engine {
namespace {

std::atomic<std::optional<DefaultTiers> (*)()> opener{nullptr};
std::atomic<std::uint32_t> epoch{1};

}  // namespace

bool announce_default_tiers(std::optional<DefaultTiers> (*open)()) noexcept {
  opener.store(open);
  return true;
}

std::optional<DefaultTiers> default_tiers() {
  const auto open = opener.load();
  return open == nullptr ? std::nullopt : open();
}

std::uint32_t default_tiers_epoch() noexcept { return epoch.load(std::memory_order_acquire); }

void renew_default_tiers() noexcept { epoch.fetch_add(1, std::memory_order_acq_rel); }

void warn_stays_near(const std::string& name, const char* why) noexcept {
  std::fprintf(stderr, "dcache: results of \"%s\" stay in this process: %s\n", name.c_str(), why);
}

}  // namespace dcache::engine
