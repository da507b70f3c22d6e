// SPDX-License-Identifier: MIT
#include "dcache/clock.hpp"

#include <chrono>

#include <gtest/gtest.h>

#include "support/threads.hpp"

namespace dcache {
namespace {

using namespace std::chrono_literals;
using testing::run_together;

TEST(CoarseNow, NeverGoesBack) {
  run_together(4, [](int) {
    Duration before = coarse_now();
    for (int i = 0; i < 100'000; ++i) {
      const Duration now = coarse_now();
      ASSERT_GE(now, before);
      before = now;
    }
  });
}

TEST(CoarseNow, IsAtMostTenMillisecondsBehind) {
  const auto exact = [] { return Duration(std::chrono::steady_clock::now().time_since_epoch()); };
  for (int i = 0; i < 10'000; ++i) {
    const Duration before = exact();
    const Duration coarse = coarse_now();
    const Duration after = exact();
    ASSERT_GE(coarse, before - 10ms);
    ASSERT_LE(coarse, after);
  }
}

TEST(CoarseNow, MovesOn) {
  const Duration begin = coarse_now();
  while (coarse_now() == begin) {
  }
  EXPECT_GT(coarse_now(), begin);
}

TEST(ManualClock, StandsStillUntilTold) {
  ManualClock clock;
  EXPECT_EQ(clock.now(), 0ns);
  clock.advance(1500ms);
  EXPECT_EQ(clock.now(), 1500ms);
  EXPECT_EQ(clock.now(), 1500ms);
  clock.advance(0ns);
  EXPECT_EQ(clock.now(), 1500ms);
}

TEST(ManualClock, MayBeMovedByManyThreads) {
  ManualClock clock;
  run_together(4, [&](int) {
    for (int i = 0; i < 1000; ++i) clock.advance(1ms);
  });
  EXPECT_EQ(clock.now(), 4s);
}

}  // namespace
}  // namespace dcache
