// SPDX-License-Identifier: MIT
// What can never work is refused where it is said, with the way out.
#include <chrono>
#include <cmath>
#include <exception>
#include <functional>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "dcache/error.hpp"
#include "dcache/memoize.hpp"

namespace dcache {
namespace {

using namespace std::chrono_literals;

using Options = MemoizeOptions<int>;

// What `memoize` says to these options.
std::string refusal(Options options) {
  try {
    memoize([](int n) { return n; }, std::move(options));
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "nothing";
}

// What it says has to name the option and to say what to do.
#define EXPECT_REFUSED(options, first, second)                     \
  do {                                                             \
    const std::string message = refusal(options);                  \
    EXPECT_NE(message.find(first), std::string::npos) << message;  \
    EXPECT_NE(message.find(second), std::string::npos) << message; \
    EXPECT_EQ(message.find("dcache: "), 0U) << message;            \
  } while (false)

TEST(MemoizeOptions, ATtlIsGreaterThanZero) {
  EXPECT_REFUSED((Options{.ttl = 0s}), "ttl must be greater than zero, not 0 ns", "leave it out");
  EXPECT_REFUSED((Options{.ttl = -1us}), "greater than zero, not -1000 ns", "leave it out");
}

TEST(MemoizeOptions, StaleForNeedsATtlAndIsNotNegative) {
  EXPECT_REFUSED((Options{.stale_for = 1h}), "stale_for needs a ttl", "nothing becomes stale");
  EXPECT_REFUSED((Options{.ttl = 1s, .stale_for = -1s}), "stale_for must be zero or more",
                 "not -1000000000 ns; zero");
}

TEST(MemoizeOptions, RefreshAheadIsAFractionOfATtl) {
  EXPECT_REFUSED((Options{.refresh_ahead = 0.8}), "refresh_ahead needs a ttl", "fraction");
  for (const double fraction : {0.0, 1.0, -0.5, 80.0, std::nan("")}) {
    EXPECT_REFUSED((Options{.ttl = 1s, .refresh_ahead = fraction}), "refresh_ahead must be",
                   "between 0 and 1, such as 0.8, not ");
  }
}

TEST(MemoizeOptions, WaitNeedsSomethingStaleAndIsNotNegative) {
  EXPECT_REFUSED((Options{.ttl = 1s, .wait = 0s}), "wait needs stale_for", "fall back on");
  EXPECT_REFUSED((Options{.ttl = 1s, .stale_for = 1h, .wait = -1ns}),
                 "wait must be zero or more, not -1 ns", "0 serves a stale result at once");
}

TEST(MemoizeOptions, JitterIsAFractionOfATtl) {
  for (const double fraction : {-0.1, 1.0, 10.0, std::nan("")}) {
    EXPECT_REFUSED((Options{.ttl = 1s, .jitter = fraction}), "jitter must be a fraction of ttl",
                   "such as 0.1");
  }
  EXPECT_REFUSED((Options{.jitter = 0.1}), "jitter needs a ttl", "fraction");
}

TEST(MemoizeOptions, AFlightTimeoutIsGreaterThanZero) {
  EXPECT_REFUSED((Options{.flight_timeout = 0s}), "flight_timeout", "greater than zero");
}

TEST(MemoizeOptions, ThereIsRoomForOneEntryAtLeast) {
  EXPECT_REFUSED((Options{.max_entries = 0}), "max_entries must be at least 1", "std::nullopt");
}

TEST(MemoizeOptions, WeightAndWeigherBelongTogether) {
  const auto weigher = [](const int&) { return 1U; };

  EXPECT_REFUSED((Options{.max_weight = 10}), "max_weight needs a weigher", "weighs");
  EXPECT_REFUSED((Options{.weigher = weigher}), "weigher without max_weight", "set max_weight");
  EXPECT_REFUSED((Options{.max_weight = 0, .weigher = weigher}), "max_weight", "at least 1");
}

TEST(MemoizeOptions, AFunctionIsNotNull) {
  int (*no_function)(int) = nullptr;

  EXPECT_THROW(memoize(no_function), ConfigError);
  EXPECT_THROW(memoize("name", std::function<int(int)>()), ConfigError);
}

TEST(MemoizeOptions, OfEveryKindGoTogether) {
  const auto function = memoize("everything", [](int n) { return n; },
                                {.max_entries = 100,
                                 .max_weight = 1000,
                                 .weigher = [](const int&) { return 1U; },
                                 .policy = Policy::lru,
                                 .ttl = [](const int&) { return 1h; },
                                 .stale_for = 24h,
                                 .refresh_ahead = 0.5,
                                 .wait = 100ms,
                                 .jitter = 0.1,
                                 .cache_if = [](const int&) { return true; },
                                 .flight_timeout = 1min,
                                 .on_background = [](const std::function<void()>& run) { run(); },
                                 .on_refresh_error = [](std::exception_ptr) {}});

  EXPECT_EQ(function(3), 3);
  EXPECT_EQ(function(3), 3);
  EXPECT_EQ(function.stats().misses, 1);
}

TEST(MemoizeOptions, MayHaveTimesThatNeverEnd) {
  const auto function =
      memoize([](int n) { return n; }, {.ttl = Duration::max(), .stale_for = Duration::max()});

  EXPECT_EQ(function(3), 3);
  EXPECT_EQ(function(3), 3);
  EXPECT_EQ(function.stats().misses, 1);
}

}  // namespace
}  // namespace dcache
