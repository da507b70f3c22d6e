// SPDX-License-Identifier: MIT
#include "dcache/clock.hpp"

#include <ctime>

namespace dcache {

namespace {

timespec coarse() noexcept {
  timespec time{};
#ifdef CLOCK_MONOTONIC_COARSE
  if (clock_gettime(CLOCK_MONOTONIC_COARSE, &time) == 0) return time;
#endif
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
  time.tv_sec = static_cast<std::time_t>(seconds.count());
  time.tv_nsec = static_cast<long>(Duration(now - seconds).count());
  return time;
}

}  // namespace

Duration coarse_now() noexcept {
  const timespec time = coarse();
  return std::chrono::seconds(time.tv_sec) + Duration(time.tv_nsec);
}

std::uint64_t coarse_milliseconds() noexcept {
  const timespec time = coarse();
  return static_cast<std::uint64_t>(time.tv_sec) * 1000 +
         static_cast<std::uint32_t>(time.tv_nsec) / 1'000'000U;
}

}  // namespace dcache
