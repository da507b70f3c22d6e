// SPDX-License-Identifier: MIT
/// The mode, as calls ask for it. Thread-safe.
#pragma once

#include <atomic>
#include <string_view>

#include "dcache/mode.hpp"

namespace dcache::engine {

/// The one word that every call reads: false means `normal`, on every thread. True to begin with:
/// nobody has read the environment.
extern std::atomic<bool> mode_may_differ;

/// Of calls on this thread: `normal`, `refresh` or `bypass`. The first that asks reads
/// `DCACHE_MODE`: throws ConfigError for a word that is none of them, as everybody does then.
Mode call_mode();

/// The word for what holds on this thread; for people. Throws as `call_mode`.
std::string_view mode_name();

/// What may be done with far tiers.
struct FarMode {
  bool reads = true;
  bool writes = true;
};
/// Throws as `call_mode`.
FarMode far_mode();
/// Throws ModeError if nothing may be written to far tiers.
void require_far_writes();

void set_mode(Mode mode) noexcept;

}  // namespace dcache::engine
