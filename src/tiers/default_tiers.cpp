// SPDX-License-Identifier: MIT
#include "dcache/engine/default_tiers.hpp"

#include <atomic>
#include <cstdio>

namespace dcache::engine {
namespace {

std::atomic<std::optional<DefaultTiers> (*)()> opener{nullptr};

}  // namespace

bool announce_default_tiers(std::optional<DefaultTiers> (*open)()) noexcept {
  opener.store(open);
  return true;
}

std::optional<DefaultTiers> default_tiers() {
  const auto open = opener.load();
  return open == nullptr ? std::nullopt : open();
}

void warn_stays_near(const std::string& name, const char* why) noexcept {
  std::fprintf(stderr, "dcache: results of \"%s\" stay in this process: %s\n", name.c_str(), why);
}

}  // namespace dcache::engine
