// SPDX-License-Identifier: MIT
#include "dcache/clock.hpp"

#include <ctime>

namespace dcache {

Duration coarse_now() noexcept {
#ifdef CLOCK_MONOTONIC_COARSE
  timespec time{};
  if (clock_gettime(CLOCK_MONOTONIC_COARSE, &time) == 0) {
    return std::chrono::seconds(time.tv_sec) + Duration(time.tv_nsec);
  }
#endif
  return std::chrono::steady_clock::now().time_since_epoch();
}

}  // namespace dcache
