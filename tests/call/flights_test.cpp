// SPDX-License-Identifier: MIT
// Several callers of one function at once.
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstddef>
#include <exception>
#include <future>
#include <latch>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "dcache/memoize.hpp"
#include "support/gate.hpp"
#include "support/threads.hpp"

namespace dcache {
namespace {

using namespace std::chrono_literals;
using testing::Gate;
using testing::wait_for_waiters;
using testing::wait_until;

// A call on a thread of its own.
template <class F>
auto async(F&& call) {
  return std::async(std::launch::async, std::forward<F>(call));
}

// The first run of the body is held at a gate; each run gives its number.
class MemoizeFlights : public ::testing::Test {
 protected:
  int body(int) {
    const int run = ++runs;
    if (run == 1) gate.pass();
    return run;
  }

  Gate gate;
  std::atomic<int> runs{0};
  Memoized<int(int)> function = memoize([this](int n) { return body(n); });
};

TEST(MemoizeFlight, AThousandThreadsOnAColdKeyRunTheBodyOnce) {
  constexpr int threads = 1000;
  std::atomic<int> runs{0};
  std::optional<Memoized<int(int)>> function;
  function = memoize([&](int n) {
    wait_until([&] { return function->stats().near.misses == threads; });
    return ++runs + n;
  });

  testing::run_together(threads, [&](int) { EXPECT_EQ((*function)(7), 8); });

  EXPECT_EQ(runs, 1);
  EXPECT_EQ(function->stats().misses, 1);
  EXPECT_EQ(function->stats().hits, threads - 1);
}

TEST_F(MemoizeFlights, WaitersAreHits) {
  auto leader = async([&] { return function(7); });
  gate.wait_until_reached();
  auto waiter = async([&] { return function(7); });
  wait_for_waiters(function, 1, 7);
  gate.open();

  EXPECT_EQ(leader.get(), 1);
  EXPECT_EQ(waiter.get(), 1);
  EXPECT_EQ(function.stats().waited, 1);
  EXPECT_EQ(function.stats().hits, 1);
  EXPECT_EQ(function.stats().misses, 1);
}

TEST(MemoizeFlight, WaitersGetTheExceptionOfTheBodyAndTheNextCallRunsItAgain) {
  constexpr int waiters = 10;
  Gate gate;
  std::atomic<int> runs{0};
  const auto function = memoize([&](int n) {
    if (++runs > 1) return n;
    gate.pass();
    throw std::out_of_range("the one and only");
  });
  const auto thrown = [&]() -> std::exception_ptr {
    try {
      function(7);
      return nullptr;
    } catch (const std::out_of_range&) {
      return std::current_exception();
    }
  };

  std::vector<std::future<std::exception_ptr>> callers;
  callers.push_back(async(thrown));
  gate.wait_until_reached();
  for (int i = 0; i < waiters; ++i) callers.push_back(async(thrown));
  wait_for_waiters(function, waiters, 7);
  gate.open();

  const std::exception_ptr first = callers.front().get();
  ASSERT_NE(first, nullptr);
  for (int i = 1; i <= waiters; ++i) {
    EXPECT_EQ(callers[static_cast<std::size_t>(i)].get(), first) << "the very same";
  }
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(function(7), 7);
  EXPECT_EQ(runs, 2);
}

TEST_F(MemoizeFlights, InvalidateDetachesWhatRuns) {
  auto leader = async([&] { return function(7); });
  gate.wait_until_reached();
  auto waiter = async([&] { return function(7); });
  wait_for_waiters(function, 1, 7);

  EXPECT_TRUE(function.invalidate(7));
  EXPECT_EQ(function(7), 2) << "later callers start anew, while the first body runs still";
  EXPECT_TRUE(function.invalidate(7));
  gate.open();
  EXPECT_EQ(leader.get(), 1);
  EXPECT_EQ(waiter.get(), 1);
  EXPECT_EQ(function.peek(7), std::nullopt) << "what began before the invalidation is not kept";
}

TEST_F(MemoizeFlights, ClearDetachesWhatRuns) {
  auto leader = async([&] { return function(7); });
  gate.wait_until_reached();
  auto waiter = async([&] { return function(7); });
  wait_for_waiters(function, 1, 7);

  function.clear();
  gate.open();
  EXPECT_EQ(leader.get(), 1);
  EXPECT_EQ(waiter.get(), 1);
  EXPECT_EQ(function.peek(7), std::nullopt);
  EXPECT_EQ(function(7), 2);
}

TEST_F(MemoizeFlights, PutWinsOverWhatRuns) {
  auto leader = async([&] { return function(7); });
  gate.wait_until_reached();
  auto waiter = async([&] { return function(7); });
  wait_for_waiters(function, 1, 7);

  function.put(70, 7);
  EXPECT_EQ(function(7), 70);
  gate.open();
  EXPECT_EQ(leader.get(), 1);
  EXPECT_EQ(waiter.get(), 1);
  EXPECT_EQ(function(7), 70);
}

TEST_F(MemoizeFlights, RefreshDetachesWhatRuns) {
  auto leader = async([&] { return function(7); });
  gate.wait_until_reached();
  auto waiter = async([&] { return function(7); });
  wait_for_waiters(function, 1, 7);

  EXPECT_EQ(function.refresh(7), 2);
  EXPECT_EQ(function(7), 2);
  gate.open();
  EXPECT_EQ(leader.get(), 1);
  EXPECT_EQ(waiter.get(), 1);
  EXPECT_EQ(function(7), 2);
}

TEST_F(MemoizeFlights, CallersWaitForARefreshThatRuns) {
  auto refresh = async([&] { return function.refresh(7); });
  gate.wait_until_reached();
  auto waiter = async([&] { return function(7); });
  wait_for_waiters(function, 1, 7);
  gate.open();

  EXPECT_EQ(refresh.get(), 1);
  EXPECT_EQ(waiter.get(), 1);
  EXPECT_EQ(runs, 1);
}

TEST_F(MemoizeFlights, AnotherKeyIsNotHeldUp) {
  auto leader = async([&] { return function(7); });
  gate.wait_until_reached();

  EXPECT_EQ(function(8), 2);
  EXPECT_EQ(function(8), 2);
  gate.open();
  EXPECT_EQ(leader.get(), 1);
}

TEST(MemoizeFlight, BodiesOfDifferentArgumentsRunAtOnce) {
  constexpr int threads = 4;
  std::barrier meeting(threads);
  const auto function = memoize([&](int n) {
    meeting.arrive_and_wait();
    return n;
  });

  testing::run_together(threads, [&](int n) { EXPECT_EQ(function(n), n); });
  EXPECT_EQ(function.stats().misses, threads);
}

TEST(MemoizeFlight, ACycleBetweenTwoThreadsIsBroken) {
  std::barrier both_run(2);
  std::atomic<int> f_runs{0};
  std::atomic<int> g_runs{0};
  std::optional<Memoized<int(int)>> f;
  std::optional<Memoized<int(int)>> g;
  f = memoize([&](int n) {
    if (++f_runs > 1) return 10;
    both_run.arrive_and_wait();
    return (*g)(n) + 1;
  });
  g = memoize([&](int n) {
    if (++g_runs > 1) return 10;
    both_run.arrive_and_wait();
    return (*f)(n) + 1;
  });

  auto one = async([&] { return (*f)(1); });
  auto other = async([&] { return (*g)(1); });
  EXPECT_EQ((std::multiset{one.get(), other.get()}), (std::multiset{11, 12}))
      << "one of them computes through, the other one waits";
  EXPECT_EQ(f_runs + g_runs, 3);
}

TEST(MemoizeFlight, AfterTheTimeoutAWaiterTakesOver) {
  std::latch other_has_it(1);
  std::atomic<int> runs{0};
  const auto function = memoize(
      [&](int) {
        const int run = ++runs;
        if (run == 1) other_has_it.wait();
        return run;
      },
      {.flight_timeout = 20ms});

  auto leader = async([&] { return function(7); });
  wait_until([&] { return runs == 1; });
  EXPECT_EQ(function(7), 2);
  EXPECT_EQ(function(7), 2);
  other_has_it.count_down();
  EXPECT_EQ(leader.get(), 1) << "who was too late has a result of its own";
  EXPECT_EQ(function(7), 2) << "the first to finish is kept";
  EXPECT_EQ(runs, 2);
}

TEST(MemoizeFlight, WhatCacheIfThrowsIsTheRunnersTroubleAlone) {
  Gate gate;
  const auto function = memoize(
      [&](int n) {
        gate.pass();
        return n;
      },
      {.cache_if = [](const int&) -> bool { throw std::logic_error("cannot say"); }});

  auto leader = async([&] { return function(7); });
  gate.wait_until_reached();
  auto waiter = async([&] { return function(7); });
  wait_for_waiters(function, 1, 7);
  gate.open();

  EXPECT_THROW(leader.get(), std::logic_error);
  EXPECT_EQ(waiter.get(), 7);
}

TEST(MemoizeFlight, ALargeResultIsTheSameForAll) {
  Gate gate;
  const auto function = memoize([&](int n) {
    gate.pass();
    return std::make_unique<std::vector<int>>(1000, n);
  });

  auto leader = async([&] { return function(7); });
  gate.wait_until_reached();
  auto waiter = async([&] { return function(7); });
  wait_for_waiters(function, 1, 7);
  gate.open();

  EXPECT_EQ(leader.get(), waiter.get());
}

}  // namespace
}  // namespace dcache
