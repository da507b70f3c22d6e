// SPDX-License-Identifier: MIT
#include "dcache/engine/stripes.hpp"

#include <latch>
#include <thread>

#include <gtest/gtest.h>

#include "support/threads.hpp"

namespace dcache::engine {
namespace {

using testing::run_together;

TEST(Stripes, AddUpExactlyWithFewThreadsAndWithMany) {
  for (const int threads : {1, 4, 31, 40}) {
    Stripes<2> counters;
    run_together(threads, [&](int) {
      for (int i = 0; i < 2000; ++i) counters.count(static_cast<std::size_t>(i % 2));
    });
    EXPECT_EQ(counters.sum(0), 1000U * static_cast<unsigned>(threads));
    EXPECT_EQ(counters.sum(1), 1000U * static_cast<unsigned>(threads));
  }
}

TEST(Stripes, OfThreadsThatEndedAreUsedAgainAndKeepTheirCounts) {
  Stripes<1> counters;
  for (int i = 0; i < 200; ++i) std::thread([&] { counters.count(0); }).join();
  EXPECT_EQ(counters.sum(0), 200U);
}

TEST(Stripes, ThreadsBeyondTheLastShareOne) {
  Stripes<1> counters;
  constexpr int threads = 50;
  std::latch all(threads);  // All have a stripe at the same time.
  run_together(threads, [&](int) {
    counters.count(0);
    all.arrive_and_wait();
    for (int i = 0; i < 1000; ++i) counters.count(0);
  });
  EXPECT_EQ(counters.sum(0), 50U * 1001);
}

// Counts once more while the thread ends, after its stripe was given back.
struct CountsLate {
  Stripes<1>* counters = nullptr;
  ~CountsLate() {
    if (counters != nullptr) counters->count(0);
  }
};

thread_local CountsLate late;

TEST(Stripes, CountInDestructorsOfAnEndingThread) {
  Stripes<1> counters;
  run_together(4, [&](int) {
    late.counters = &counters;  // Made before the stripe is assigned, so destroyed after it.
    counters.count(0);
  });
  EXPECT_EQ(counters.sum(0), 8U);
}

TEST(Stripes, OfOneCounterAreNotThoseOfAnother) {
  Stripes<1> some;
  Stripes<1> others;
  some.count(0);
  EXPECT_EQ(some.sum(0), 1U);
  EXPECT_EQ(others.sum(0), 0U);
}

}  // namespace
}  // namespace dcache::engine
