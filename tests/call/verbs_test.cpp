// SPDX-License-Identifier: MIT
// What else can be said to a memoized function, and what it counts.
#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dcache/memoize.hpp"
#include "support/threads.hpp"

namespace dcache {
namespace {

// Each run of the body gives another number.
struct Counted {
  int operator()(int) {
    if (fails) throw std::runtime_error("failed");
    return ++runs;
  }
  int& runs;
  const bool& fails;
};

class MemoizeVerbs : public ::testing::Test {
 protected:
  int runs = 0;
  bool fails = false;
  Memoized<int(int)> function = memoize("counted", Counted{runs, fails});
};

TEST_F(MemoizeVerbs, InvalidateForgetsThisCallAlone) {
  EXPECT_EQ(function(1), 1);
  EXPECT_EQ(function(2), 2);

  EXPECT_TRUE(function.invalidate(1));
  EXPECT_EQ(function(1), 3);
  EXPECT_EQ(function(2), 2);
}

TEST_F(MemoizeVerbs, InvalidateSaysWhetherThereWasAnythingToForget) {
  EXPECT_FALSE(function.invalidate(1));
  function(1);
  EXPECT_TRUE(function.invalidate(1));
  EXPECT_FALSE(function.invalidate(1));
}

TEST_F(MemoizeVerbs, RefreshComputesAnewAndKeeps) {
  EXPECT_EQ(function(1), 1);

  EXPECT_EQ(function.refresh(1), 2);
  EXPECT_EQ(function(1), 2);
  EXPECT_EQ(function.refresh(5), 3);
  EXPECT_EQ(function(5), 3);
}

TEST_F(MemoizeVerbs, RefreshThatThrowsLeavesTheOldResult) {
  EXPECT_EQ(function(1), 1);

  fails = true;
  EXPECT_THROW(function.refresh(1), std::runtime_error);
  EXPECT_EQ(function(1), 1);
}

TEST_F(MemoizeVerbs, PeekNeverComputes) {
  EXPECT_EQ(function.peek(1), std::nullopt);
  EXPECT_EQ(runs, 0);
  function(1);
  EXPECT_EQ(function.peek(1), 1);
}

TEST_F(MemoizeVerbs, PeekCountsNothing) {
  function(1);
  const auto before = function.stats();

  function.peek(1);
  function.peek(2);
  const auto after = function.stats();
  EXPECT_EQ(after.hits, before.hits);
  EXPECT_EQ(after.misses, before.misses);
  EXPECT_EQ(after.near.hits, before.near.hits);
  EXPECT_EQ(after.near.misses, before.near.misses);
}

TEST_F(MemoizeVerbs, PutKeepsAResultThatIsKnown) {
  EXPECT_TRUE(function.put(40, 1));
  EXPECT_EQ(function(1), 40);
  EXPECT_EQ(runs, 0);
}

TEST_F(MemoizeVerbs, PutReplacesWhatThereWas) {
  function(1);

  EXPECT_TRUE(function.put(40, 1));
  EXPECT_EQ(function(1), 40);
}

TEST_F(MemoizeVerbs, ClearForgetsEverything) {
  for (int n = 0; n < 100; ++n) function(n);

  function.clear();
  EXPECT_EQ(function.stats().near.entries, 0);
  EXPECT_EQ(function.peek(7), std::nullopt);
  EXPECT_EQ(function(7), 101);
}

TEST_F(MemoizeVerbs, MayBeUsedFromInsideOfTheBody) {
  Memoized<int(int)>* self = nullptr;
  auto reflexive = memoize([&](int n) {
    self->put(n * 10, n + 1);
    self->invalidate(n + 2);
    EXPECT_EQ(self->peek(n + 1), n * 10);
    return n;
  });
  self = &reflexive;

  EXPECT_EQ(reflexive(1), 1);
  EXPECT_EQ(reflexive(2), 10);
}

TEST_F(MemoizeVerbs, NameIsWhatWasGiven) {
  EXPECT_EQ(function.name(), "counted");
  EXPECT_EQ(memoize([] { return 1; }).name(), "");
}

// --- What is kept ---

TEST(MemoizeKeeps, NoMoreThanMaxEntries) {
  const auto function = memoize([](int n) { return n; }, {.max_entries = 10});

  for (int n = 0; n < 1000; ++n) EXPECT_EQ(function(n), n);
  EXPECT_LE(function.stats().near.entries, 10);
  EXPECT_GE(function.stats().near.evicted, 990);
}

TEST(MemoizeKeeps, TheMostRecentlyUsedWithLru) {
  const auto function = memoize([](int n) { return n; }, {.max_entries = 2, .policy = Policy::lru});

  function(1);
  function(2);
  function(1);
  function(3);
  EXPECT_EQ(function.peek(1), 1);
  EXPECT_EQ(function.peek(2), std::nullopt);
  EXPECT_EQ(function.peek(3), 3);
}

TEST(MemoizeKeeps, NoMoreThanMaxWeight) {
  const auto function = memoize([](int n) { return std::string(static_cast<std::size_t>(n), 'x'); },
                                {.max_entries = std::nullopt,
                                 .max_weight = 100,
                                 .weigher = [](const std::string& text) { return text.size(); }});

  for (int n = 1; n <= 50; ++n) function(n);
  EXPECT_LE(function.stats().near.weight, 100);
  EXPECT_GT(function.stats().near.entries, 0);
}

TEST(MemoizeKeeps, NotWhatIsHeavierThanEverythingButReturnsIt) {
  const auto function =
      memoize([](int n) { return std::string(static_cast<std::size_t>(n), 'x'); },
              {.max_weight = 100, .weigher = [](const std::string& text) { return text.size(); }});

  EXPECT_EQ(function(101).size(), 101);
  EXPECT_EQ(function.peek(101), std::nullopt);
  EXPECT_FALSE(function.put(std::string(101, 'y'), 1));
}

TEST(MemoizeKeeps, WhatCacheIfSays) {
  int runs = 0;
  const auto function = memoize([&](int n) { return ++runs, n; },
                                {.cache_if = [](const int& result) { return result > 0; }});

  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(function(1), 1);
    EXPECT_EQ(function(-1), -1);
  }
  EXPECT_EQ(runs, 1 + 3);
  EXPECT_FALSE(function.put(-5, 5));
  EXPECT_TRUE(function.put(5, 5));
}

TEST(MemoizeKeeps, NothingOfBeforeWhenWhatWasPutOrRefreshedIsNotToBeKept) {
  int result = 1;
  const auto function =
      memoize([&](int) { return result; }, {.cache_if = [](const int& n) { return n > 0; }});
  function(1);
  EXPECT_FALSE(function.put(-1, 1));
  EXPECT_EQ(function.peek(1), std::nullopt);
  function(1);
  result = -1;
  EXPECT_EQ(function.refresh(1), -1);
  EXPECT_EQ(function.peek(1), std::nullopt);
}

TEST(MemoizeKeeps, NothingOfBeforeWhenWhatWasPutIsTooHeavy) {
  const auto function =
      memoize([](int) { return std::string("short"); },
              {.max_weight = 100, .weigher = [](const std::string& text) { return text.size(); }});
  function(1);
  EXPECT_FALSE(function.put(std::string(101, 'y'), 1));
  EXPECT_EQ(function.peek(1), std::nullopt);
}

TEST(MemoizeKeeps, NothingWhenCacheIfThrowsWhichGoesToTheCaller) {
  bool throws = true;
  const auto function = memoize([](int n) { return n; }, {.cache_if = [&](const int&) {
                                  if (throws) throw std::logic_error("cannot say");
                                  return true;
                                }});

  EXPECT_THROW(function(1), std::logic_error);
  EXPECT_THROW(function.put(1, 1), std::logic_error);
  EXPECT_THROW(function.refresh(1), std::logic_error);
  EXPECT_EQ(function.peek(1), std::nullopt);
  throws = false;
  EXPECT_EQ(function(1), 1);
  EXPECT_EQ(function.peek(1), 1);
}

// --- Statistics ---

TEST_F(MemoizeVerbs, EveryCallIsAHitOrAMiss) {
  for (int n = 0; n < 10; ++n) function(n);
  for (int n = 0; n < 30; ++n) function(n % 10);
  fails = true;
  for (int n = 20; n < 25; ++n) EXPECT_THROW(function(n), std::runtime_error);

  const auto stats = function.stats();
  EXPECT_EQ(stats.hits, 30);
  EXPECT_EQ(stats.misses, 15);
  EXPECT_EQ(stats.near.entries, 10);
}

TEST_F(MemoizeVerbs, RefreshesAreCountedByThemselves) {
  function(1);
  function.refresh(1);
  function.refresh(2);
  fails = true;
  EXPECT_THROW(function.refresh(2), std::runtime_error);

  const auto stats = function.stats();
  EXPECT_EQ(stats.refreshes, 3);
  EXPECT_EQ(stats.hits, 0);
  EXPECT_EQ(stats.misses, 1);
}

TEST(MemoizeStatistics, HitsAndMissesAreAllCallsWhateverHappensMeanwhile) {
  constexpr int threads = 8;
  constexpr int calls = 2000;
  std::atomic<std::uint64_t> runs{0};
  const auto function = memoize(
      [&](int n) {
        ++runs;
        if (n % 10 == 0) throw std::runtime_error("failed");
        return n;
      },
      {.max_entries = 64});

  testing::run_together(threads, [&](int thread) {
    for (int i = 0; i < calls; ++i) {
      const int n = (i * (thread + 1)) % 100;
      if (i % 50 == 0) function.invalidate(n);
      if (i % 500 == 0) function.clear();
      try {
        EXPECT_EQ(function(n), n);
      } catch (const std::runtime_error&) {
        EXPECT_EQ(n % 10, 0);
      }
    }
  });

  const auto stats = function.stats();
  EXPECT_EQ(stats.hits + stats.misses, threads * calls);
  EXPECT_EQ(stats.misses, runs);
}

}  // namespace
}  // namespace dcache
