// SPDX-License-Identifier: MIT
// Results that age: who computes anew, who is given what, and when.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <future>
#include <latch>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

#include "dcache/clock.hpp"
#include "dcache/engine/executor.hpp"
#include "dcache/memoize.hpp"
#include "support/gate.hpp"
#include "support/threads.hpp"

namespace dcache {
namespace {

using namespace std::chrono_literals;
using testing::Gate;
using testing::wait_for_waiters;
using testing::wait_until;

using Options = MemoizeOptions<int>;

// A function each run of which gives another number, or throws, on a clock that is moved by hand.
class MemoizeFreshness : public ::testing::Test {
 protected:
  Memoized<int(int)> counted(Options options) {
    options.clock = &clock;
    return memoize("counted", [this](int) { return body(); }, std::move(options));
  }

  int body() {
    const int run = ++runs;
    if (on_run) on_run(run);
    if (fails) throw std::runtime_error("failed");
    return run;
  }

  // What to give as `on_background` to those who call `wait_for_refreshes`.
  std::function<void(const std::function<void()>&)> noting() {
    return [this](const std::function<void()>& run) {
      run();
      ++refreshes;
    };
  }
  void wait_for_refreshes(int count) {
    wait_until([&] { return refreshes >= count; });
  }

  ManualClock clock;
  std::atomic<int> runs{0};
  std::atomic<bool> fails{false};
  std::function<void(int run)> on_run;
  std::atomic<int> refreshes{0};
};

// --- ttl ---

TEST_F(MemoizeFreshness, WithoutATtlAResultIsFreshForEver) {
  const auto function = counted({});

  EXPECT_EQ(function(1), 1);
  clock.advance(10 * 365 * 24h);
  EXPECT_EQ(function(1), 1);
}

TEST_F(MemoizeFreshness, AResultIsFreshForItsTtlAndNoLonger) {
  const auto function = counted({.ttl = 10s});

  EXPECT_EQ(function(1), 1);
  clock.advance(9999ms);
  EXPECT_EQ(function(1), 1);
  EXPECT_EQ(function.peek(1), 1);
  clock.advance(1ms);
  EXPECT_EQ(function.peek(1), std::nullopt);
  EXPECT_EQ(function(1), 2);
}

TEST_F(MemoizeFreshness, HitsDoNotMakeAResultLiveLonger) {
  const auto function = counted({.ttl = 10s});

  for (int second = 0; second < 10; ++second) {
    EXPECT_EQ(function(1), 1);
    clock.advance(1s);
  }
  EXPECT_EQ(function(1), 2);
}

TEST_F(MemoizeFreshness, RefreshAndPutBeginANewTtl) {
  const auto function = counted({.ttl = 10s});
  function(1);
  function(2);

  clock.advance(9s);
  function.refresh(1);
  function.put(50, 2);
  clock.advance(9s);
  EXPECT_EQ(function(1), 3);
  EXPECT_EQ(function(2), 50);
}

TEST_F(MemoizeFreshness, AResultMayTellItsTtl) {
  const auto function = counted({.ttl = [](const int& run) { return run * 10s; }});

  EXPECT_EQ(function(1), 1);
  EXPECT_EQ(function(2), 2);
  clock.advance(10s);
  EXPECT_EQ(function.peek(1), std::nullopt);
  EXPECT_EQ(function.peek(2), 2);
  clock.advance(10s);
  EXPECT_EQ(function.peek(2), std::nullopt);
}

TEST_F(MemoizeFreshness, ATtlOfZeroOrLessThatAResultTellsMeansDoNotKeep) {
  const auto function = counted({.ttl = [](const int& run) { return (run - 2) * 1s; }});

  EXPECT_EQ(function(1), 1);
  EXPECT_EQ(function(1), 2);
  EXPECT_EQ(function(1), 3);
  EXPECT_EQ(function(1), 3);
  EXPECT_FALSE(function.put(-1, 2));
}

TEST_F(MemoizeFreshness, WhatATtlThrowsGoesToTheCallerAndNothingIsKept) {
  const auto function =
      counted({.ttl = [](const int&) -> Duration { throw std::logic_error("cannot say"); }});

  EXPECT_THROW(function(1), std::logic_error);
  EXPECT_EQ(function.peek(1), std::nullopt);
  EXPECT_EQ(function.stats().near.entries, 0);
}

TEST(MemoizeMachineClock, IsUsedIfThereIsNoOther) {
  int runs = 0;
  const auto lasting = memoize([&](int) { return ++runs; }, {.ttl = 1h});
  const auto brief = memoize([&](int) { return ++runs; }, {.ttl = 1ms});

  EXPECT_EQ(lasting(1), 1);
  EXPECT_EQ(lasting(1), 1);
  EXPECT_EQ(brief(1), 2);
  wait_until([&] { return brief(1) > 2; });
}

// --- stale_for ---

TEST_F(MemoizeFreshness, AStaleResultIsForFailuresOnly) {
  const auto function = counted({.ttl = 10s, .stale_for = 1h});

  EXPECT_EQ(function(1), 1);
  clock.advance(10s);
  EXPECT_EQ(function.peek(1), std::nullopt);
  EXPECT_EQ(function(1), 2);
}

TEST_F(MemoizeFreshness, AfterAFailureTheStaleResultIsServed) {
  const auto function = counted({.ttl = 10s, .stale_for = 1h});
  function(1);

  fails = true;
  clock.advance(10s);
  EXPECT_EQ(function(1), 1);
  EXPECT_EQ(function.stats().stale, 1);
  clock.advance(1h - 1ms);
  EXPECT_EQ(function(1), 1);
}

TEST_F(MemoizeFreshness, WhatIsTooOldEvenForAFailureIsNotServed) {
  const auto function = counted({.ttl = 10s, .stale_for = 1h});
  function(1);

  fails = true;
  clock.advance(10s + 1h);
  EXPECT_THROW(function(1), std::runtime_error);
}

TEST_F(MemoizeFreshness, AfterAFailureNobodyTriesForASecond) {
  const auto function = counted({.ttl = 10s, .stale_for = 1h});
  function(1);
  fails = true;
  clock.advance(10s);
  EXPECT_EQ(function(1), 1);
  EXPECT_EQ(runs, 2);

  clock.advance(999ms);
  EXPECT_EQ(function(1), 1);
  EXPECT_EQ(runs, 2);
  clock.advance(1ms);
  EXPECT_EQ(function(1), 1);
  EXPECT_EQ(runs, 3);
  fails = false;
  clock.advance(1s);
  EXPECT_EQ(function(1), 4);
}

TEST_F(MemoizeFreshness, AfterAFailureNobodyTriesForAShortTtl) {
  const auto function = counted({.ttl = 100ms, .stale_for = 1h});
  function(1);
  fails = true;
  clock.advance(100ms);
  EXPECT_EQ(function(1), 1);
  EXPECT_EQ(runs, 2);

  clock.advance(99ms);
  EXPECT_EQ(function(1), 1);
  EXPECT_EQ(runs, 2);
  clock.advance(1ms);
  EXPECT_EQ(function(1), 1);
  EXPECT_EQ(runs, 3);
}

TEST_F(MemoizeFreshness, WaitersOfAFailureAreServedTheStaleResultToo) {
  Gate gate;
  const auto function = counted({.ttl = 10s, .stale_for = 1h});
  function(1);
  fails = true;
  clock.advance(10s);
  on_run = [&](int) { gate.pass(); };

  auto leader = std::async(std::launch::async, [&] { return function(1); });
  gate.wait_until_reached();
  auto waiter = std::async(std::launch::async, [&] { return function(1); });
  testing::wait_for_waiters(function, 1, 1);
  gate.open();
  EXPECT_EQ(leader.get(), 1);
  EXPECT_EQ(waiter.get(), 1);
  EXPECT_EQ(runs, 2);
}

TEST_F(MemoizeFreshness, WhatWasInvalidatedWhileTheBodyFailedIsNotServed) {
  const auto function = counted({.ttl = 10s, .stale_for = 1h});
  function(1);
  function(2);
  fails = true;
  clock.advance(10s);

  on_run = [&](int) { function.invalidate(1); };
  EXPECT_THROW(function(1), std::runtime_error);
  on_run = [&](int) { function.clear(); };
  EXPECT_THROW(function(2), std::runtime_error);
}

TEST_F(MemoizeFreshness, WhatWasPutWhileTheBodyFailedIsServedAndStaysFresh) {
  const auto function = counted({.ttl = 10s, .stale_for = 1h});
  function(1);
  fails = true;
  clock.advance(10s);

  on_run = [&](int) { function.put(50, 1); };
  EXPECT_EQ(function(1), 50);
  EXPECT_EQ(function.stats().stale, 0);
  Gate gate;
  on_run = [&](int) { gate.pass(); };  // Nobody should come here.
  clock.advance(9s);
  EXPECT_EQ(function(1), 50);
  EXPECT_EQ(function.memo().flights().size(), 0) << "nothing is refreshed that is fresh";
  gate.open();
}

// --- wait ---

TEST_F(MemoizeFreshness, WithAWaitOfZeroTheStaleResultComesAtOnce) {
  Gate gate;
  const auto function =
      counted({.ttl = 10s, .stale_for = 1h, .wait = 0s, .on_background = noting()});
  function(1);
  clock.advance(10s);
  on_run = [&](int) { gate.pass(); };

  EXPECT_EQ(function(1), 1);
  gate.wait_until_reached();
  EXPECT_EQ(function(1), 1) << "while the refresh runs";
  EXPECT_EQ(function.stats().stale, 1);
  gate.open();
  wait_for_refreshes(1);
  EXPECT_EQ(function(1), 2);
  EXPECT_EQ(function.stats().refreshes, 1);
  EXPECT_EQ(function.stats().misses, 1);
}

TEST_F(MemoizeFreshness, ManyCallersStartOneRefresh) {
  Gate gate;
  const auto function =
      counted({.ttl = 10s, .stale_for = 1h, .wait = 0s, .on_background = noting()});
  function(1);
  clock.advance(10s);
  on_run = [&](int) { gate.pass(); };

  testing::run_together(8, [&](int) {
    for (int i = 0; i < 100; ++i) EXPECT_EQ(function(1), 1);
  });
  gate.wait_until_reached();
  clock.advance(2s);  // The pause is over, but the refresh runs still.
  EXPECT_EQ(function(1), 1);
  gate.open();
  wait_for_refreshes(1);
  EXPECT_EQ(function(1), 2);
  EXPECT_EQ(runs, 2);
}

TEST_F(MemoizeFreshness, WithAWaitACallerIsGivenTheFreshResultIfItComesInTime) {
  const auto function = counted({.ttl = 10s, .stale_for = 1h, .wait = 1h});
  const auto caller = std::this_thread::get_id();
  std::atomic<bool> elsewhere{false};
  function(1);
  clock.advance(10s);
  on_run = [&](int) { elsewhere = std::this_thread::get_id() != caller; };

  EXPECT_EQ(function(1), 2);
  EXPECT_TRUE(elsewhere) << "the body runs in the background";
  EXPECT_EQ(function.stats().stale, 0);
  EXPECT_EQ(function.stats().waited, 1);
}

TEST_F(MemoizeFreshness, WithAWaitACallerIsGivenTheStaleResultIfTheFreshOneIsLate) {
  Gate gate;
  const auto function =
      counted({.ttl = 10s, .stale_for = 1h, .wait = 1ms, .on_background = noting()});
  function(1);
  clock.advance(10s);
  on_run = [&](int) { gate.pass(); };

  EXPECT_EQ(function(1), 1);
  EXPECT_EQ(function.stats().stale, 1);
  gate.open();
  wait_for_refreshes(1);
  EXPECT_EQ(function(1), 2);
}

TEST_F(MemoizeFreshness, WithAWaitACallerIsGivenTheStaleResultIfTheRefreshFails) {
  const auto function =
      counted({.ttl = 10s, .stale_for = 1h, .wait = 1h, .on_background = noting()});
  function(1);
  clock.advance(10s);
  fails = true;

  EXPECT_EQ(function(1), 1);
  wait_for_refreshes(1);
  EXPECT_EQ(function(1), 1) << "nobody tries for a second";
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(function.stats().refresh_failures, 1);
}

TEST_F(MemoizeFreshness, WithAWaitACallerIsGivenWhatWasPutMeanwhileIfTheRefreshFails) {
  Gate gate;
  const auto function =
      counted({.ttl = 10s, .stale_for = 1h, .wait = 1h, .on_background = noting()});
  function(1);
  clock.advance(10s);
  fails = true;
  on_run = [&](int) { gate.pass(); };
  auto caller = std::async(std::launch::async, [&] { return function(1); });
  gate.wait_until_reached();
  wait_for_waiters(function, 1, 1);

  function.put(50, 1);
  gate.open();
  EXPECT_EQ(caller.get(), 50);
  EXPECT_EQ(function.stats().stale, 0);
  wait_for_refreshes(1);
}

TEST_F(MemoizeFreshness, WhatWasInvalidatedDuringAWaitIsNotServedThoughAnotherHasCome) {
  Gate gate;
  const auto function =
      counted({.ttl = 10s, .stale_for = 1h, .wait = 1h, .on_background = noting()});
  function(1);
  clock.advance(10s);
  on_run = [&](int run) {
    if (run != 2) return;
    gate.pass();
    throw std::runtime_error("the refresh failed");
  };
  auto caller = std::async(std::launch::async, [&] { return function(1); });
  gate.wait_until_reached();
  wait_for_waiters(function, 1, 1);

  function.invalidate(1);
  EXPECT_EQ(function(1), 3);
  gate.open();
  EXPECT_EQ(caller.get(), 3);
  wait_for_refreshes(1);
}

// --- refresh_ahead ---

TEST_F(MemoizeFreshness, AHitLateInTheTtlStartsARefreshAndDoesNotWait) {
  Gate gate;
  const auto function = counted({.ttl = 10s, .refresh_ahead = 0.8, .on_background = noting()});
  function(1);
  clock.advance(7999ms);
  EXPECT_EQ(function(1), 1);
  EXPECT_EQ(function.memo().flights().size(), 0) << "too early";

  on_run = [&](int) { gate.pass(); };
  clock.advance(1ms);
  EXPECT_EQ(function(1), 1);
  gate.wait_until_reached();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(function(1), 1);
  gate.open();
  wait_for_refreshes(1);
  EXPECT_EQ(function(1), 2);
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(function.stats().refreshes, 1);
  EXPECT_EQ(function.stats().misses, 1);
  EXPECT_EQ(function.stats().stale, 0);
}

TEST_F(MemoizeFreshness, ARefreshedResultHasAWholeTtlAgain) {
  const auto function = counted({.ttl = 10s, .refresh_ahead = 0.8, .on_background = noting()});
  function(1);
  clock.advance(8s);
  function(1);
  wait_for_refreshes(1);

  clock.advance(7999ms);
  EXPECT_EQ(function(1), 2);
  clock.advance(1ms);
  EXPECT_EQ(function(1), 2);
  wait_for_refreshes(2);
  EXPECT_EQ(function(1), 3);
}

TEST_F(MemoizeFreshness, ARefreshAheadThatFailsLeavesTheOldResult) {
  std::string reason;
  const auto function = counted({.ttl = 10s,
                                 .refresh_ahead = 0.5,
                                 .on_background = noting(),
                                 .on_refresh_error = [&](std::exception_ptr error) {
                                   try {
                                     std::rethrow_exception(error);
                                   } catch (const std::runtime_error& thrown) {
                                     reason = thrown.what();
                                   }
                                 }});
  function(1);
  clock.advance(5s);
  fails = true;

  EXPECT_EQ(function(1), 1);
  wait_for_refreshes(1);
  EXPECT_EQ(function(1), 1);
  EXPECT_EQ(reason, "failed");
  EXPECT_EQ(function.stats().refresh_failures, 1);
  EXPECT_EQ(runs, 2) << "nobody tries for a second";
  clock.advance(1s);
  EXPECT_EQ(function(1), 1);
  wait_for_refreshes(2);
  EXPECT_EQ(runs, 3);
  clock.advance(4s);
  EXPECT_THROW(function(1), std::runtime_error) << "it is no longer fresh";
}

TEST_F(MemoizeFreshness, WhatExpiresWhileItIsRefreshedAheadIsNotServedWithoutAFailure) {
  Gate gate;
  const auto function =
      counted({.ttl = 10s, .stale_for = 1h, .refresh_ahead = 0.95, .on_background = noting()});
  function(1);
  clock.advance(9900ms);
  on_run = [&](int) { gate.pass(); };
  EXPECT_EQ(function(1), 1);
  gate.wait_until_reached();

  clock.advance(100ms);
  auto caller = std::async(std::launch::async, [&] { return function(1); });
  wait_until([&] { return function.stats().near.hits == 2; });
  gate.open();
  EXPECT_EQ(caller.get(), 2) << "it waits for the refresh that runs";
  wait_for_refreshes(1);
  EXPECT_EQ(runs, 2);
}

TEST_F(MemoizeFreshness, ARefreshWhoseResultIsNotToBeKeptLeavesTheOldOne) {
  const auto function = counted({.ttl = 10s,
                                 .refresh_ahead = 0.5,
                                 .cache_if = [](const int& run) { return run != 2; },
                                 .on_background = noting()});
  function(1);
  clock.advance(5s);

  EXPECT_EQ(function(1), 1);
  wait_for_refreshes(1);
  EXPECT_EQ(function.peek(1), 1);
}

TEST_F(MemoizeFreshness, WhatIsInvalidatedWhileItIsRefreshedStaysForgotten) {
  Gate gate;
  const auto function = counted({.ttl = 10s, .refresh_ahead = 0.5, .on_background = noting()});
  function(1);
  clock.advance(5s);
  on_run = [&](int) { gate.pass(); };
  function(1);
  gate.wait_until_reached();

  EXPECT_TRUE(function.invalidate(1));
  gate.open();
  wait_for_refreshes(1);
  EXPECT_EQ(function.peek(1), std::nullopt);
}

TEST_F(MemoizeFreshness, WhatIsPutWhileARefreshFailsIsLeftAlone) {
  Gate gate;
  const auto function = counted({.ttl = 10s, .refresh_ahead = 0.5, .on_background = noting()});
  function(1);
  clock.advance(5s);
  fails = true;
  on_run = [&](int) { gate.pass(); };
  function(1);
  gate.wait_until_reached();
  function.put(50, 1);
  gate.open();
  wait_for_refreshes(1);

  Gate never;
  on_run = [&](int) { never.pass(); };
  clock.advance(4s);
  EXPECT_EQ(function(1), 50);
  EXPECT_EQ(function.memo().flights().size(), 0) << "it is too early for a refresh of this one";
  never.open();
}

// --- jitter ---

TEST_F(MemoizeFreshness, JitterTakesAPartOfTheTtlAwayAtRandom) {
  constexpr int keys = 1000;
  const auto function = counted({.ttl = 1s, .jitter = 0.5});
  const auto fresh = [&] {
    int count = 0;
    for (int key = 0; key < keys; ++key) count += function.peek(key) ? 1 : 0;
    return count;
  };
  for (int key = 0; key < keys; ++key) function(key);

  clock.advance(499ms);
  EXPECT_EQ(fresh(), keys) << "never more than the half";
  clock.advance(251ms);
  EXPECT_GT(fresh(), keys / 4);
  EXPECT_LT(fresh(), keys * 3 / 4);
  clock.advance(250ms);
  EXPECT_EQ(fresh(), 0) << "never longer than the ttl";
}

// --- The background ---

TEST_F(MemoizeFreshness, OnBackgroundIsCalledElsewhereAndRunsTheRefresh) {
  std::thread::id where;
  int before = 0;
  int after = 0;
  const auto function = counted(
      {.ttl = 10s, .refresh_ahead = 0.5, .on_background = [&](const std::function<void()>& run) {
         where = std::this_thread::get_id();
         before = runs;
         run();
         after = runs;
         ++refreshes;
       }});
  function(1);
  clock.advance(5s);

  function(1);
  wait_for_refreshes(1);
  EXPECT_NE(where, std::this_thread::get_id());
  EXPECT_EQ(before, 1);
  EXPECT_EQ(after, 2);
  EXPECT_EQ(function(1), 2);
}

TEST_F(MemoizeFreshness, OnBackgroundThatThrowsCostsARefreshAndNoMore) {
  const auto function = counted(
      {.ttl = 10s, .refresh_ahead = 0.5, .on_background = [&](const std::function<void()>& run) {
         if (++refreshes == 1) throw std::logic_error("no context");
         run();
         ++refreshes;
       }});
  function(1);
  clock.advance(5s);

  EXPECT_EQ(function(1), 1);
  wait_for_refreshes(1);
  wait_until([&] { return function.memo().flights().size() == 0; });
  clock.advance(1s);
  EXPECT_EQ(function(1), 1);
  wait_for_refreshes(3);
  EXPECT_EQ(function(1), 2);
}

TEST_F(MemoizeFreshness, OnBackgroundMayKeepTheRefreshAndRunItWhenItHasReturned) {
  std::promise<std::function<void()>> kept;
  std::future<std::function<void()>> given = kept.get_future();
  std::function<void()> run;
  {
    const auto function = counted(
        {.ttl = 10s,
         .refresh_ahead = 0.5,
         .on_background = [&](const std::function<void()>& refresh) { kept.set_value(refresh); }});
    function(1);
    clock.advance(5s);
    function(1);
    run = given.get();
    const auto behind = std::make_shared<std::latch>(1);
    ASSERT_TRUE(engine::background().submit([behind] { behind->count_down(); }));
    behind->wait();

    run();
    EXPECT_EQ(function(1), 2);
    EXPECT_EQ(function.stats().refreshes, 1);
  }
  run();
  EXPECT_EQ(runs, 2) << "once is all it does";
}

TEST_F(MemoizeFreshness, NobodyWaitsForARefreshThatWaitsForAThread) {
  std::atomic<bool> held{false};
  std::latch open(1);
  const auto function = memoize(
      [&](int key) {
        if (key < 16 && held) open.wait();
        return ++runs;
      },
      {.ttl = 10s, .refresh_ahead = 0.5, .clock = &clock});
  for (int key = 0; key <= 16; ++key) function(key);
  held = true;
  clock.advance(5s);
  for (int key = 0; key <= 16; ++key) function(key);  // The last is behind all that hold a thread.
  clock.advance(5s);

  auto caller = std::async(std::launch::async, [&] { return function(16); });
  EXPECT_EQ(caller.wait_for(20s), std::future_status::ready);
  open.count_down();
  EXPECT_EQ(caller.get(), 18);
  wait_until([&] { return function.stats().refreshes >= 16; });
  const auto behind = std::make_shared<std::latch>(1);
  ASSERT_TRUE(engine::background().submit([behind] { behind->count_down(); }));
  behind->wait();
  EXPECT_EQ(function.peek(16), 18) << "it is not computed once more";
}

TEST_F(MemoizeFreshness, RefreshesThatNeedEachOtherDoNotHoldAllThreads) {
  std::atomic<bool> held{false};
  std::latch open(1);
  const auto inner =
      memoize([&](int) { return ++runs; }, {.ttl = 10s, .refresh_ahead = 0.5, .clock = &clock});
  const auto outer = memoize(
      [&](int) {
        if (held) open.wait();
        return inner(1);
      },
      {.ttl = 10s, .refresh_ahead = 0.5, .clock = &clock});
  for (int key = 0; key < 16; ++key) outer(key);
  held = true;
  clock.advance(5s);
  for (int key = 0; key < 16; ++key) outer(key);
  inner(1);  // Its refresh is behind all those that will ask for it.
  clock.advance(5s);

  open.count_down();
  auto all = std::async(std::launch::async,
                        [&] { wait_until([&] { return outer.stats().refreshes == 16; }); });
  EXPECT_EQ(all.wait_for(20s), std::future_status::ready);
  EXPECT_EQ(runs, 2);
}

TEST_F(MemoizeFreshness, AFunctionMayBeDestroyedWhileItsRefreshRuns) {
  Gate gate;
  std::promise<void> destroyed;
  {
    const std::shared_ptr<int> held(new int(1), [&](const int* number) {
      delete number;
      destroyed.set_value();
    });
    auto function = memoize(
        [&, held](int) {
          const int run = ++runs;
          if (run == 2) gate.pass();
          return run + *held;
        },
        {.ttl = 10s, .refresh_ahead = 0.5, .clock = &clock});
    function(1);
    clock.advance(5s);
    function(1);
    gate.wait_until_reached();
  }

  gate.open();
  destroyed.get_future().wait();
  EXPECT_EQ(runs, 2);
}

TEST_F(MemoizeFreshness, ARefreshThatIsRefusedLeavesTheOldResultAndIsTriedLater) {
  const auto function =
      counted({.ttl = 10s, .stale_for = 1h, .wait = 0s, .on_background = noting()});
  function(1);
  clock.advance(10s);
  auto open = std::make_shared<std::latch>(1);
  auto held = std::make_shared<std::atomic<int>>(0);
  const auto fill = [&] {
    while (engine::background().submit([open, held] {
      ++*held;
      open->wait();
    })) {
    }
  };
  // Full for good only once every thread holds a task: one that starts late makes room again.
  constexpr int threads = 4;
  wait_until([&] {
    fill();
    return held->load() == threads;
  });
  fill();

  EXPECT_EQ(function(1), 1);
  EXPECT_EQ(function.stats().refresh_failures, 1);
  open->count_down();
  auto emptied = std::make_shared<std::latch>(1);
  wait_until([&] { return engine::background().submit([emptied] { emptied->count_down(); }); });
  emptied->wait();
  EXPECT_EQ(function(1), 1) << "nobody tries for a second";
  EXPECT_EQ(runs, 1);
  clock.advance(1s);
  EXPECT_EQ(function(1), 1);
  wait_for_refreshes(1);
  EXPECT_EQ(function(1), 2);
}

}  // namespace
}  // namespace dcache
