// SPDX-License-Identifier: MIT
// Far tiers that are slow, down or late: no caller fails, none waits beyond a tier's budget,
// nothing that was invalidated comes back.
#include "dcache/engine/tiers.hpp"

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "dcache/cache.hpp"
#include "dcache/error.hpp"
#include "support/store.hpp"

#include "tiers/breaker.hpp"

namespace {

using namespace std::chrono_literals;
using dcache::Cache;
using dcache::engine::Breaker;
using dcache::engine::SteadyMoment;
using dcache::test::Store;

using Temper = Store::Temper;

std::chrono::nanoseconds took(const auto& run) {
  const auto begun = std::chrono::steady_clock::now();
  run();
  return std::chrono::steady_clock::now() - begun;
}

int twice(int n) { return 2 * n; }

TEST(FarTiers, HoldACallerNoLongerThanTheirBudget) {
  const auto store = std::make_shared<Store>();
  const auto f = Cache({store}).memoize("twice", twice);
  store->set(Temper::slow);
  EXPECT_LT(took([&] { EXPECT_EQ(f(1), 2); }), 5s);
  EXPECT_GE(f.far_stats()[0].timeouts, 1U);
}

TEST(FarTiers, AreLeftAloneAfterFiveFailuresAndAskedAgainLater) {
  const auto store = std::make_shared<Store>();
  const auto f = Cache({store}).memoize("twice", twice);
  store->set(Temper::down);
  for (int n = 0; n < 100; ++n) EXPECT_EQ(f(n), 2 * n);
  EXPECT_LE(store->asked(), 10U);
  EXPECT_STREQ(f.far_stats()[0].breaker, "open");
  EXPECT_GT(f.far_stats()[0].skipped, 50U);
  store->set(Temper::fine);
  for (int tries = 0; tries < 400 && f.far_stats()[0].hits == 0; ++tries) {
    std::this_thread::sleep_for(10ms);
    f(1);
  }
  EXPECT_STREQ(f.far_stats()[0].breaker, "closed");
  EXPECT_GT(f.far_stats()[0].hits, 0U);
}

TEST(FarTiers, SayWhyTheyWereNotReached) {
  const auto store = std::make_shared<Store>();
  const auto f = Cache({store}).memoize("twice", twice);
  store->set(Temper::down);
  const auto said_by = [](const auto& verb) {
    try {
      verb();
    } catch (const dcache::TierError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  for (const std::string& said : {said_by([&] { f.invalidate(1); }), said_by([&] { f.clear(); }),
                                  said_by([&] { f.put(1, 1); })}) {
    EXPECT_NE(said.find("store is down"), std::string::npos) << said;
  }
  for (int n = 0; n < 10; ++n) f(n);
  ASSERT_STREQ(f.far_stats()[0].breaker, "open");
  const std::string said = f.explain(1), why = "left alone after it failed: store is down (";
  ASSERT_NE(said.find(why), std::string::npos) << said;
  const int microseconds = std::stoi(said.substr(said.find(why) + why.size()));
  EXPECT_LT(microseconds, 1'000'000) << "it was not asked: " << said;
}

// A put asks nothing before it writes, if the mark is known: nobody may be asked in its stead.
TEST(FarTiers, TakeAnExplicitPutOnceTheyAnswerAgain) {
  using namespace dcache::engine;
  const auto store = std::make_shared<Store>();
  ChainOptions options;
  options.mark_ttl = 1h;
  const auto chain = std::make_shared<Chain>(std::vector{TierOptions{store}}, options);
  const auto function = std::make_shared<FarFunction>(chain, "", "f", "");
  const auto look = [&](FarCall& call, bool reads) {
    FarCall::Look how;
    how.reads = reads;
    how.accept = [](const Record&, bool) { return RecordFault::none; };
    run(call.look(how));
  };
  const auto write = [&](std::size_t size, bool explicitly) {
    FarCall call(function, function->key("\x80"));
    look(call, false);
    FarCall::Result result;
    result.codec = "cbor";
    result.payload.resize(size);
    run(explicitly ? call.put(result) : call.store(result, nullptr));
  };
  write(1, true);
  store->set(Temper::down);
  for (int n = 0; n < 5; ++n) {
    FarCall call(function, function->key("\x80"));
    look(call, true);
  }
  EXPECT_STREQ(chain->stats()[0].breaker, "open");
  store->set(Temper::fine);
  while (std::string_view(chain->stats()[0].breaker) == "open") std::this_thread::sleep_for(10ms);

  write(std::size_t{65} << 20U, false);  // Too large: nothing is asked.
  EXPECT_NO_THROW(write(1, true));
  EXPECT_STREQ(chain->stats()[0].breaker, "closed");
}

TEST(FarTiers, GoOnWithTheOthersWhenOneIsDown) {
  const auto near = std::make_shared<Store>("near"), far = std::make_shared<Store>("far");
  const auto f = Cache({near, far}).memoize("twice", twice);
  near->set(Temper::down);
  f(1);
  f(1);
  EXPECT_EQ(f.far_stats()[1].hits, 1U);
}

TEST(FarTiers, EraseAgainAWriteThatEndsAfterAnInvalidation) {
  const auto store = std::make_shared<Store>();
  const auto f = Cache({store}).memoize("twice", twice);
  f(0);  // The mark is known from here on.
  const auto g = Cache({store}).memoize("twice", [&](int n) {
    store->set(Temper::slow);  // The write will hang.
    return 2 * n;
  });
  g(0);
  EXPECT_EQ(g(1), 2);
  EXPECT_GE(store->held(), 1U);
  EXPECT_THROW(g.invalidate(1), dcache::InvalidationError);
  store->release();
  EXPECT_EQ(f.peek(1), std::nullopt);
  EXPECT_EQ(store->kept().size(), 2U);  // The mark, and the record of f(0).
}

TEST(FarTiers, LetAnInvalidationWaitForAWriteThatIsUnderWay) {
  const auto store = std::make_shared<Store>();
  store->budget_of_a_call = 5s;
  const auto f = Cache({store}).memoize("twice", [&](int n) {
    if (n == 1) store->set(Temper::slow);
    return 2 * n;
  });
  f(0);
  std::thread leader([&] { EXPECT_EQ(f(1), 2); });
  while (store->held() == 0) std::this_thread::sleep_for(1ms);
  std::thread other([&] { f.invalidate(1); });
  std::this_thread::sleep_for(50ms);
  store->release();
  leader.join();
  other.join();
  EXPECT_EQ(f.peek(1), std::nullopt);
}

TEST(FarTiers, NeverServeARecordFromBeforeAClearThatCameWhileItsBodyRan) {
  const auto store = std::make_shared<Store>();
  const auto other = Cache({store}).memoize("twice", twice);
  const auto f = Cache({store}).memoize("twice", [&](int n) {
    if (n == 1) other.clear();  // In another process, as far as the store knows.
    return 2 * n;
  });
  f(0);
  f(1);
  EXPECT_EQ(other.peek(1), std::nullopt);
  EXPECT_EQ(other.peek(0), std::nullopt);
}

TEST(FarTiers, MakeNoMarksAnewThatAreThere) {
  const auto store = std::make_shared<Store>();
  for (int i = 0; i < 5; ++i) Cache({store}).memoize("twice", twice)(i);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(Cache({store}).memoize("twice", twice).peek(i), 2 * i);
  }
}

TEST(FarTiers, AreAskedOnceForManyCalls) {
  const auto near = std::make_shared<Store>("near"), far = std::make_shared<Store>("far");
  Cache({far}).memoize("twice", twice).map(std::vector{0, 1, 2});
  std::vector<int> ran;
  const auto f = Cache({"memory:", near, far}).memoize("twice", [&](int n) {
    ran.push_back(n);
    return 2 * n;
  });
  f(100);  // Marks are known from here on.
  ran.clear();
  const std::size_t near_before = near->asked(), far_before = far->asked();

  EXPECT_EQ(f.map(std::vector{0, 1, 2, 3, 3, 100}), (std::vector{0, 2, 4, 6, 6, 200}));

  EXPECT_EQ(ran, std::vector{3});
  EXPECT_EQ(near->asked() - near_before, 3U);  // A look, what was found, what was computed.
  EXPECT_EQ(far->asked() - far_before, 2U);
  EXPECT_EQ(f.map(std::vector{0, 1, 2, 3}), (std::vector{0, 2, 4, 6}));
  EXPECT_EQ(far->asked() - far_before, 2U);
  EXPECT_EQ(f.stats().misses, 2U);
}

TEST(FarTiers, AreMappedOverWithSeveralArguments) {
  const auto store = std::make_shared<Store>();
  const auto f = Cache({"memory:", store}).memoize("repeat", [](std::string_view text, int times) {
    std::string all;
    for (int i = 0; i < times; ++i) all += text;
    return all;
  });
  const std::vector<std::tuple<std::string, int>> calls = {{"a", 2}, {"b", 3}};
  EXPECT_EQ(f.map(calls), (std::vector<std::string>{"aa", "bbb"}));
  EXPECT_EQ(f.peek("b", 3), "bbb");
  EXPECT_TRUE(f.map(std::vector<std::tuple<std::string, int>>{}).empty());
}

TEST(FarTiers, LetTwoThreadsMapTheSameCallsInAnotherOrder) {
  const auto store = std::make_shared<Store>();
  const auto f = Cache({"memory:", store}).memoize("slow", [](int n) {
    std::this_thread::sleep_for(1ms);
    return n;
  });
  std::vector<int> up, down;
  for (int n = 0; n < 100; ++n) up.push_back(n);
  down.assign(up.rbegin(), up.rend());
  std::thread other([&] { EXPECT_EQ(f.map(down), down); });
  EXPECT_EQ(f.map(up), up);
  other.join();
  EXPECT_EQ(f.stats().misses, 100U);
}

TEST(FarTiers, LetWhoWaitsForOneOfManyComputeIt) {
  std::promise<void> begins, has;
  const std::shared_future<void> there = has.get_future().share();
  std::atomic<int> last{0};
  std::vector<int> calls;
  for (int n = 0; n <= 60; ++n) calls.push_back(n);
  const auto f = Cache({"memory:", std::make_shared<Store>()}).memoize("slow", [&](int n) {
    if (n == 0) begins.set_value();
    if (n != 60) there.wait_for(50ms);
    last = n;
    return n;
  });
  std::thread other([&] {
    begins.get_future().wait();
    f(60);
    has.set_value();
  });
  EXPECT_EQ(f.map(calls), calls);
  other.join();
  EXPECT_EQ(f.stats().misses, 61U);
  EXPECT_NE(last, 60);  // It did not wait for all that come before it.
}

TEST(FarTiers, LetABodyAskForWhatIsBeingMappedOver) {
  const auto store = std::make_shared<Store>();
  const auto self = std::make_shared<std::optional<dcache::Memoized<int(int)>>>();
  *self = Cache({"memory:", store}).memoize("sum", [self](int n) {
    return n == 0 ? 0 : n + (**self)(n - 1);
  });
  EXPECT_EQ((*self)->map(std::vector{3, 2, 1}), (std::vector{6, 3, 1}));
  EXPECT_EQ((*self)->stats().misses, 4U);
  self->reset();
}

TEST(FarTiers, KeepWhatCameBeforeAFailureAmongManyCalls) {
  const auto store = std::make_shared<Store>();
  const auto f = Cache({"memory:", store}).memoize("picky", [](int n) {
    if (n == 2) throw std::runtime_error("no");
    return n;
  });
  EXPECT_THROW(f.map(std::vector{0, 1, 2, 3}), std::runtime_error);
  EXPECT_EQ(f.peek(1), 1);
  EXPECT_EQ(f(3), 3);
}

TEST(FarTiers, PassOnWhatTheBodyThrowsAndStoreNothing) {
  const auto store = std::make_shared<Store>();
  const auto f = Cache({"memory:", store}).memoize("fails", [](int) -> int {
    throw std::runtime_error("no");
  });
  EXPECT_THROW(f(1), std::runtime_error);
  EXPECT_LE(store->kept().size(), 1U);  // A mark.
}

TEST(FarTiers, AskAFartherOneAgainAfterNearTtl) {
  dcache::ManualClock clock;
  const auto own = std::make_shared<Store>("own"), shared = std::make_shared<Store>("shared");
  const dcache::CacheOptions options{.near_ttl = 5s, .clock = &clock};
  const auto f = Cache({own, shared}, options).memoize("twice", twice, {.clock = &clock});
  const auto other = Cache({shared}, options).memoize("twice", twice, {.clock = &clock});
  f(1);
  other.put(7, 1);
  EXPECT_EQ(f(1), 2);
  clock.advance(6s);
  EXPECT_EQ(f(1), 7);
}

TEST(FarTiers, SayForHowLongMemoryInFrontOfThemIsBelieved) {
  dcache::ManualClock clock;
  const auto store = std::make_shared<Store>();
  store->nearer_are_believed = 60s;
  const dcache::CacheOptions options{.clock = &clock}, explicitly{.near_ttl = 5s, .clock = &clock};
  const dcache::MemoizeOptions<int> timed{.clock = &clock};
  const auto f = Cache({"memory:", store}, options).memoize("twice", twice, timed);
  const auto g = Cache({"memory:", store}, explicitly).memoize("twice", twice, timed);
  f(1), g(1);
  Cache({store}, options).memoize("twice", twice, timed).put(7, 1);
  clock.advance(6s);
  EXPECT_EQ(f(1), 2);
  EXPECT_EQ(g(1), 7) << "what the user says counts";
  clock.advance(53s);
  EXPECT_EQ(f(1), 2);
  clock.advance(2s);
  EXPECT_EQ(f(1), 7);
}

TEST(FarTiers, AreEachAskedAgainAfterWhatTheySay) {
  dcache::ManualClock clock;
  const auto own = std::make_shared<Store>("own"), far = std::make_shared<Store>("far");
  far->nearer_are_believed = 60s;
  const dcache::CacheOptions options{.clock = &clock};
  const dcache::MemoizeOptions<int> timed{.clock = &clock};
  const auto f = Cache({"memory:", own, far}, options).memoize("twice", twice, timed);
  f(1), f(2);
  Cache({own}, options).memoize("twice", twice, timed).put(7, 1);
  Cache({far}, options).memoize("twice", twice, timed).put(8, 2);
  clock.advance(6s);
  EXPECT_EQ(f(1), 7);
  EXPECT_EQ(f(2), 4) << "the nearer one need not ask yet";
  clock.advance(55s);
  EXPECT_EQ(f(2), 8);
}

TEST(FarTiers, SayForHowLongTheirMarksAreBelieved) {
  dcache::ManualClock clock;
  const auto store = std::make_shared<Store>();
  store->marks_are_believed = 10s;
  int runs = 0;
  const auto counted = [&](std::optional<dcache::Duration> mark_ttl) {
    return Cache({store}, {.mark_ttl = mark_ttl, .clock = &clock}).memoize("counted", [&](int n) {
      return n + 0 * ++runs;
    });
  };
  const auto f = counted({}), g = counted(0s);
  f(1), g(1);
  EXPECT_EQ(runs, 1);
  counted({}).clear();
  f(1);
  EXPECT_EQ(runs, 1);
  g(1);
  EXPECT_EQ(runs, 2) << "what the user says counts";
  clock.advance(9s);
  f(2), f(2);
  EXPECT_EQ(runs, 3);
  clock.advance(1s);
  f(1);
  EXPECT_EQ(runs, 3) << "that of the other has the new mark";
  f(2);
  EXPECT_EQ(runs, 4) << "its own had the old one";
}

TEST(FarTiers, AreRefusedWithSpansThatCanNeverBe) {
  const auto store = std::make_shared<Store>();
  EXPECT_THROW(Cache({store}, {.near_ttl = 0s}), dcache::ConfigError);
  EXPECT_THROW(Cache({store}, {.mark_ttl = -1s}), dcache::ConfigError);
  store->nearer_are_believed = 0s;
  EXPECT_THROW(Cache({store}), dcache::ConfigError);
}

TEST(FarTiers, HoldACallByTheirBudgetForGetAndPutTogether) {
  const auto store = std::make_shared<Store>();
  store->budget_of_a_call = 1s;
  const auto f = Cache({store}).memoize("twice", twice);
  f(0);
  store->set(Temper::slow);
  EXPECT_LT(took([&] { EXPECT_EQ(f(1), 2); }), 1700ms);
  store->release();
}

TEST(FarTiers, KeepNothingOldWhereTheNewDoesNotFit) {
  const auto store = std::make_shared<Store>();
  const auto size = std::make_shared<std::size_t>(10);
  const auto f = Cache({store}, {.compress_from = 0}).memoize("grows", [size](int) {
    return std::string(*size, 'x');
  });
  f(1);
  *size = std::size_t{65} << 20U;
  EXPECT_EQ(f.refresh(1).size(), *size);
  EXPECT_EQ(f.peek(1), std::nullopt);
}

TEST(FarTiers, TakeMisfitsForMisses) {
  const auto store = std::make_shared<Store>();
  Cache({store}).memoize("f", [](int n) { return std::to_string(n); })(1);
  const auto f = Cache({store}).memoize("f", twice);
  EXPECT_EQ(f(1), 2);
  const auto fault = static_cast<std::size_t>(dcache::engine::RecordFault::mismatch);
  EXPECT_EQ(f.far_stats()[0].faults[fault], 1U);
}

TEST(FarTiers, AreSafeFromManyThreads) {
  const auto store = std::make_shared<Store>();
  const auto f = Cache({"memory:", store}).memoize("twice", twice);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        EXPECT_EQ(f(i % 20), 2 * (i % 20));
        try {
          if (i % 7 == 0) f.invalidate(i % 20);
          if (i % 50 == 0) f.clear();
        } catch (const dcache::InvalidationError&) {
          // The store was down.
        }
        if (i % 60 == 0) store->set(i % 120 == 0 ? Temper::down : Temper::fine);
      }
      store->set(Temper::fine);
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

TEST(BreakerState, OpensWhenHalfOfManyFail) {
  Breaker breaker;
  SteadyMoment now{1000s};
  for (int i = 0; i < 30; ++i) {
    if (i % 5 < 2) {
      breaker.succeeded(now);
    } else {
      breaker.failed(now);
    }
  }
  EXPECT_FALSE(breaker.allows(now));
}

TEST(BreakerState, LetsOneProbeThroughAndDoublesItsPause) {
  Breaker breaker;
  SteadyMoment now{1000s};
  for (int i = 0; i < 5; ++i) breaker.failed(now);
  EXPECT_FALSE(breaker.allows(now));
  now += 1300ms;  // A second and a quarter.
  EXPECT_TRUE(breaker.allows(now));
  EXPECT_FALSE(breaker.allows(now));
  breaker.failed(now);
  EXPECT_FALSE(breaker.allows(now + 1400ms));
  now += 2600ms;
  EXPECT_TRUE(breaker.allows(now));
  breaker.succeeded(now);
  EXPECT_TRUE(breaker.allows(now));
  EXPECT_TRUE(breaker.allows(now));
}

}  // namespace
