// SPDX-License-Identifier: MIT
/// What the whole process does with its caches: `DCACHE_MODE`, `dcache::configure`, `Disabled`.
#pragma once

#include <cstdint>

namespace dcache {

/// The words of `DCACHE_MODE` are "normal", "refresh", "bypass", "read-only" and "offline".
enum class Mode : std::uint8_t {
  normal,
  refresh,    ///< No tier is read, memory included; results are stored.
  bypass,     ///< Functions are called as if they were not memoized; the verbs act as usual.
  read_only,  ///< Nothing is written to far tiers: `invalidate`, `put` and `clear` act near and
              ///< throw ModeError.
  offline,    ///< Far tiers are left alone; the same of the verbs.
};

/// While one lives, its thread calls functions as if they were not memoized.
class Disabled {
 public:
  Disabled() noexcept;
  Disabled(const Disabled&) = delete;
  Disabled& operator=(const Disabled&) = delete;
  ~Disabled();
};

}  // namespace dcache
