// SPDX-License-Identifier: MIT
// Callers that block: what a memoized function does on a miss, over a table that is a plain map.
#include "dcache/engine/coalesce.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <latch>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <pthread.h>

namespace dcache::engine {
namespace {

using namespace std::chrono_literals;

using Shared = std::shared_ptr<const int>;

// A memoized function as the call room would write it.
class Memo {
 public:
  using Registry = Flights<std::string, Shared>;
  using Result = Answer<Registry>;
  using Body = std::function<int(const std::string&)>;

  explicit Memo(Body body_of_all) : body(std::move(body_of_all)) {}

  Result call(const std::string& key) {
    ThreadWaiter waiter;
    return call(key, waiter);
  }
  Result call(const std::string& key, ThreadWaiter& waiter) {
    Result answer;
    if (auto found = peek(key)) {
      answer.own = Outcome<Shared>::of(*found);
      return answer;
    }
    return with(key, [&](const auto& flight_call) {
      return coalesce(flights, flight_call, limits, waiter);
    });
  }
  Result refresh(const std::string& key) {
    recheck = false;
    return with(
        key, [&](const auto& flight_call) { return refresh_flight(flights, flight_call, limits); });
  }
  template <class Use>
  Result with(const std::string& key, Use use) {
    const FlightCall flight_call{hash_of(key),
                                 key,
                                 [&] { return key; },
                                 [&](const auto&) { return recheck ? peek(key) : std::nullopt; },
                                 [&] { return std::make_shared<const int>(body(key)); },
                                 [&](const Shared& value, const std::atomic<bool>& detached) {
                                   if (on_commit) on_commit();
                                   const std::scoped_lock held(mutex_);
                                   if (!detached.load()) table_[key] = value;
                                 }};
    return use(flight_call);
  }

  std::optional<Shared> peek(const std::string& key) {
    const std::scoped_lock held(mutex_);
    const auto found = table_.find(key);
    return found == table_.end() ? std::nullopt : std::optional(found->second);
  }
  void invalidate(const std::string& key) {
    flights.invalidate(hash_of(key), key, [&] {
      const std::scoped_lock held(mutex_);
      table_.erase(key);
    });
  }
  void put(const std::string& key, int value) {
    flights.invalidate(hash_of(key), key, [&] {
      const std::scoped_lock held(mutex_);
      table_[key] = std::make_shared<const int>(value);
    });
  }
  void clear() {
    flights.invalidate_all([&] {
      const std::scoped_lock held(mutex_);
      table_.clear();
    });
  }

  static std::uint64_t hash_of(const std::string& key) { return std::hash<std::string>()(key); }

  // The flight that runs for this key. REQUIRES: one does.
  Ref<Registry::Flown> flight(const std::string& key) {
    auto joined = flights.join(hash_of(key), key, [&] { return key; }, limits.now());
    EXPECT_FALSE(joined.leader);
    return joined.flight;
  }
  void wait_for_waiters(const std::string& key, std::size_t count) {
    const auto running = flight(key);
    while (running->waiters() < count) std::this_thread::yield();
  }

  Body body;
  std::function<void()> on_commit;
  // No takeover covers up for a cycle that was not found or a waiter that was not told.
  FlightLimits limits{.flight_timeout = 24h};
  std::atomic<bool> recheck{true};
  Registry flights;

 private:
  std::mutex mutex_;
  std::map<std::string, Shared> table_;
};

// A body that says when it has begun and ends when it is told.
struct Gate {
  std::latch begun{1};
  std::latch open{1};
  void pass() {
    begun.count_down();
    open.wait();
  }
};

template <class F>
auto in_thread(F run) {
  return std::async(std::launch::async, std::move(run));
}

TEST(Coalesce, ThousandThreadsOnAColdKeyRunTheBodyOnceAndShareTheObject) {
  constexpr int callers = 1000;
  std::atomic<int> bodies{0};
  std::latch all_here(callers);
  Memo memo([&](const auto&) { return ++bodies; });
  std::vector<Shared> got(callers);
  std::vector<std::thread> threads;
  threads.reserve(callers);
  for (int i = 0; i < callers; ++i) {
    threads.emplace_back([&, i] {
      all_here.arrive_and_wait();
      got[static_cast<std::size_t>(i)] = memo.call("k").take();
    });
  }
  for (auto& thread : threads) thread.join();

  EXPECT_EQ(bodies, 1);
  for (const Shared& value : got) EXPECT_EQ(value, got[0]);
  EXPECT_EQ(memo.flights.size(), 0U);
}

TEST(Coalesce, JoinersGetTheLeadersObject) {
  Gate gate;
  Memo memo([&](const auto&) { return gate.pass(), 1; });
  auto leader = in_thread([&] { return memo.call("k"); });
  gate.begun.wait();
  auto joiner = in_thread([&] { return memo.call("k"); });
  memo.wait_for_waiters("k", 1);
  gate.open.count_down();

  const auto led = leader.get();
  const auto joined = joiner.get();
  EXPECT_TRUE(led.ran);
  EXPECT_FALSE(joined.ran);
  EXPECT_EQ(*led.value(), *joined.value());
}

TEST(Coalesce, ExceptionGoesToEverybodyInTheFlightAndIsStoredNowhere) {
  Gate gate;
  std::atomic<int> bodies{0};
  Memo memo([&](const auto&) -> int {
    if (++bodies > 1) return 5;
    gate.pass();
    throw std::runtime_error("down");
  });
  auto leader = in_thread([&] { return memo.call("k"); });
  gate.begun.wait();
  auto one = in_thread([&] { return memo.call("k"); });
  auto two = in_thread([&] { return memo.call("k"); });
  memo.wait_for_waiters("k", 2);
  gate.open.count_down();

  const std::exception_ptr thrown = leader.get().error();
  EXPECT_THROW(std::rethrow_exception(thrown), std::runtime_error);
  EXPECT_EQ(one.get().error(), thrown);
  EXPECT_EQ(two.get().error(), thrown);
  EXPECT_FALSE(memo.peek("k"));
  EXPECT_EQ(*memo.call("k").take(), 5);
}

TEST(Coalesce, ReentryOnTheSameKeyComputesThroughAndStoresOnlyTheOuter) {
  int depth = 0;
  Memo memo([](const auto&) { return 0; });
  memo.body = [&](const std::string& key) {
    const int mine = ++depth;
    if (mine == 1) {
      const auto inner = memo.call(key);
      EXPECT_TRUE(inner.ran);
      EXPECT_EQ(**inner.value(), 2);
      EXPECT_FALSE(memo.peek(key));
    }
    return mine;
  };
  EXPECT_EQ(*memo.call("k").take(), 1);
  EXPECT_EQ(**memo.peek("k"), 1);
}

TEST(Coalesce, CycleBetweenTwoAndThreeThreadsIsBroken) {
  for (const int length : {2, 3}) {
    std::latch all_inside(length);
    Memo memo([](const auto&) { return 0; });
    static thread_local int depth;
    // k0 needs k1 needs k2 needs k0, each begun by a thread of its own.
    memo.body = [&](const std::string& key) {
      if (++depth == 1) all_inside.arrive_and_wait();
      const int next = (key[1] - '0' + 1) % length;
      const int sum = depth > length ? 1 : 1 + *memo.call("k" + std::to_string(next)).take();
      --depth;
      return sum;
    };
    std::vector<std::future<Memo::Result>> callers;
    callers.reserve(static_cast<std::size_t>(length));
    for (int i = 0; i < length; ++i) {
      callers.push_back(in_thread([&, i] { return memo.call("k" + std::to_string(i)); }));
    }
    for (auto& caller : callers) EXPECT_NE(caller.get().value(), nullptr);
    EXPECT_EQ(memo.flights.size(), 0U);
  }
}

TEST(Coalesce, WaitingThatClosesNoCycleIsNoReasonToComputeTwice) {
  Gate gate;
  std::atomic<int> inner_bodies{0};
  Memo memo([](const auto&) { return 0; });
  memo.body = [&](const std::string& key) {
    if (key != "inner") return *memo.call("inner").take();
    ++inner_bodies;
    return gate.pass(), 9;
  };
  auto inner = in_thread([&] { return memo.call("inner"); });
  gate.begun.wait();
  auto one = in_thread([&] { return memo.call("one"); });
  auto two = in_thread([&] { return memo.call("two"); });
  memo.wait_for_waiters("inner", 2);
  gate.open.count_down();

  EXPECT_EQ(*one.get().take(), 9);
  EXPECT_EQ(*two.get().take(), 9);
  inner.wait();
  EXPECT_EQ(inner_bodies, 1);
}

TEST(Coalesce, ContextThatWasAdoptedByAnotherThreadCountsAsInside) {
  Memo memo([](const auto&) { return 0; });
  std::atomic<int> bodies{0};
  memo.body = [&](const std::string& key) {
    if (++bodies > 1) return 2;
    return 10 + *in_thread([&, context = Context::capture()] {
                   const Context::Adopt adopt(context);
                   return memo.call(key).take();
                 }).get();
  };
  EXPECT_EQ(*memo.call("k").take(), 12);
  EXPECT_EQ(bodies, 2);
}

TEST(Coalesce, CycleThroughAnAdoptedContextIsBroken) {
  std::latch both(2);
  std::atomic<int> depth{0};
  Memo memo([](const auto&) { return 0; });
  memo.body = [&](const std::string& key) {
    if (++depth > 2) return 1;
    both.arrive_and_wait();
    return *in_thread([&, context = Context::capture()] {
              const Context::Adopt adopt(context);
              return memo.call(key == "a" ? "b" : "a").take();
            }).get();
  };
  auto a = in_thread([&] { return memo.call("a"); });
  auto b = in_thread([&] { return memo.call("b"); });
  EXPECT_EQ(*a.get().take(), 1);
  EXPECT_EQ(*b.get().take(), 1);
}

TEST(Coalesce, CancelledLeaderHandsOverAndAnswersItsOwnCallerOnly) {
  Gate gate;
  std::atomic<int> bodies{0};
  Memo memo([&](const auto&) -> int {
    if (++bodies > 1) return 5;
    gate.pass();
    throw Abandon{std::make_exception_ptr(std::logic_error("cancelled"))};
  });
  auto leader = in_thread([&] { return memo.call("k"); });
  gate.begun.wait();
  auto one = in_thread([&] { return memo.call("k"); });
  auto two = in_thread([&] { return memo.call("k"); });
  memo.wait_for_waiters("k", 2);
  gate.open.count_down();

  EXPECT_THROW(leader.get().take(), std::logic_error);
  const auto first = one.get();
  const auto second = two.get();
  EXPECT_EQ(first.ran + second.ran, 1);
  EXPECT_EQ(*first.value(), *second.value());
  EXPECT_EQ(bodies, 2);
  EXPECT_EQ(**memo.peek("k"), 5);
}

TEST(Coalesce, CancelledLeaderWithoutWaitersLeavesNoFlight) {
  Memo memo([&](const auto&) -> int { throw Abandon{std::make_exception_ptr(1)}; });
  EXPECT_THROW(memo.call("k").take(), int);
  EXPECT_EQ(memo.flights.size(), 0U);
}

TEST(Coalesce, LeaderWhoseThreadEndsInTheBodyHandsOver) {
  Gate gate;
  std::atomic<int> bodies{0};
  Memo memo([&](const auto&) -> int {
    if (++bodies > 1) return 5;
    gate.pass();
    pthread_exit(nullptr);
  });
  std::thread leader([&] { memo.call("k"); });
  gate.begun.wait();
  auto joiner = in_thread([&] { return memo.call("k"); });
  memo.wait_for_waiters("k", 1);
  gate.open.count_down();

  leader.join();
  EXPECT_EQ(*joiner.get().take(), 5);
}

TEST(Coalesce, InvalidationDuringAFlightKeepsItsValueFromTheTable) {
  Gate gate;
  std::atomic<int> bodies{0};
  Memo memo([&](const auto&) {
    const int mine = ++bodies;
    if (mine == 1) gate.pass();
    return mine;
  });
  auto leader = in_thread([&] { return memo.call("k"); });
  gate.begun.wait();
  auto joiner = in_thread([&] { return memo.call("k"); });
  memo.wait_for_waiters("k", 1);

  memo.invalidate("k");
  EXPECT_EQ(*memo.call("k").take(), 2) << "later callers start anew";
  gate.open.count_down();

  EXPECT_EQ(*leader.get().take(), 1);
  EXPECT_EQ(*joiner.get().take(), 1);
  EXPECT_EQ(**memo.peek("k"), 2);
}

TEST(Coalesce, ExplicitPutWinsOverAFlight) {
  Gate gate;
  Memo memo([&](const auto&) { return gate.pass(), 1; });
  auto leader = in_thread([&] { return memo.call("k"); });
  gate.begun.wait();

  memo.put("k", 100);
  EXPECT_EQ(*memo.call("k").take(), 100);
  gate.open.count_down();

  EXPECT_EQ(*leader.get().take(), 1);
  EXPECT_EQ(**memo.peek("k"), 100);
}

TEST(Coalesce, ClearDetachesEveryFlight) {
  Gate gate;
  Memo memo([&](const auto&) { return gate.pass(), 1; });
  auto leader = in_thread([&] { return memo.call("k"); });
  gate.begun.wait();
  memo.clear();
  gate.open.count_down();
  EXPECT_EQ(*leader.get().take(), 1);
  EXPECT_FALSE(memo.peek("k"));
}

TEST(Coalesce, OneWaiterTakesOverFromALeaderThatHangs) {
  Gate hanging, taken_over;
  std::atomic<int> bodies{0};
  Memo memo([&](const auto&) {
    const int mine = ++bodies;
    (mine == 1 ? hanging : taken_over).pass();
    return mine;
  });
  memo.limits.flight_timeout = 1ms;
  auto leader = in_thread([&] { return memo.call("k"); });
  hanging.begun.wait();
  const auto flight = memo.flight("k");
  auto taker = in_thread([&] { return memo.call("k"); });
  taken_over.begun.wait();
  EXPECT_EQ(flight->takeovers(), 1U);
  EXPECT_EQ(flight->runners(), 2U);
  memo.limits.flight_timeout = 30s;
  auto joiner = in_thread([&] { return memo.call("k"); });
  memo.wait_for_waiters("k", 1);

  taken_over.open.count_down();
  EXPECT_EQ(*taker.get().take(), 2);
  EXPECT_EQ(*joiner.get().take(), 2);
  hanging.open.count_down();
  EXPECT_EQ(*leader.get().take(), 1) << "the late one has its own value";
  EXPECT_EQ(**memo.peek("k"), 2) << "the first to finish is kept";
  EXPECT_EQ(bodies, 2);
}

TEST(Coalesce, CommitThatThrowsIsTheLeadersTroubleOnly) {
  Gate gate;
  Memo memo([&](const auto&) { return gate.pass(), 1; });
  memo.on_commit = [] { throw std::length_error("full"); };
  auto leader = in_thread([&] { return memo.call("k"); });
  gate.begun.wait();
  auto joiner = in_thread([&] { return memo.call("k"); });
  memo.wait_for_waiters("k", 1);
  gate.open.count_down();

  EXPECT_THROW(leader.get().take(), std::length_error);
  EXPECT_EQ(*joiner.get().take(), 1);
  EXPECT_FALSE(memo.peek("k"));
  EXPECT_EQ(memo.flights.size(), 0U);
}

TEST(Coalesce, CommitMayCallTheFunctionForTheSameKey) {
  int bodies = 0;
  Memo memo([&](const auto&) { return ++bodies; });
  memo.on_commit = [&] { EXPECT_EQ(*memo.call("k").take(), 2); };
  EXPECT_EQ(*memo.call("k").take(), 1);
}

TEST(Coalesce, TableThatWasFilledBetweenLookUpAndJoinIsUsed) {
  Memo memo([&](const auto&) -> int { throw std::logic_error("ran"); });
  std::string key = "k";
  const FlightCall call{1U,
                        key,
                        [&] { return key; },
                        [](const auto&) { return std::optional(std::make_shared<const int>(3)); },
                        []() -> Shared { throw std::logic_error("ran"); },
                        [](const Shared&, const auto&) { throw std::logic_error("stored"); }};
  auto answer = coalesce(memo.flights, call, memo.limits);
  EXPECT_FALSE(answer.ran);
  EXPECT_EQ(*std::move(answer).take(), 3);
}

TEST(Coalesce, CallerWithAStaleValueWaitsNoLongerThanItSaid) {
  Gate gate;
  Memo memo([&](const auto&) { return gate.pass(), 1; });
  auto leader = in_thread([&] { return memo.call("k"); });
  gate.begun.wait();
  memo.limits.wait = 1ms;
  const auto bounded = memo.call("k");
  memo.limits.wait = 0ms;
  const auto at_once = memo.call("k");

  EXPECT_TRUE(bounded.timed_out);
  EXPECT_TRUE(at_once.timed_out);
  EXPECT_EQ(bounded.value(), nullptr);
  EXPECT_EQ(memo.flight("k")->waiters(), 0U);
  gate.open.count_down();
  leader.wait();
}

TEST(Coalesce, CallerWithAStaleValueDeclinesToLead) {
  Gate gate;
  Memo memo([&](const auto&) -> int {
    gate.pass();
    throw Abandon{std::make_exception_ptr(1)};
  });
  memo.limits.wait = 1h;
  auto leader = in_thread([&] { return memo.call("k"); });
  gate.begun.wait();
  auto bounded = in_thread([&] {
    ThreadWaiter waiter;
    return await_flight<Memo::Registry>(memo.flight("k"), memo.limits, waiter);
  });
  memo.wait_for_waiters("k", 1);
  gate.open.count_down();

  EXPECT_FALSE(bounded.get());
  EXPECT_THROW(leader.get().take(), int);
  EXPECT_EQ(memo.flights.size(), 0U);
}

TEST(Coalesce, WaitingThreadLooksUpRegularlyAndCanBeInterrupted) {
  struct Impatient final : ThreadWaiter {
    Impatient() : ThreadWaiter(1ms) {}
    bool look() noexcept override { return ++looks < 3; }
    int looks = 0;
  };
  Gate gate;
  Memo memo([&](const auto&) { return gate.pass(), 1; });
  auto leader = in_thread([&] { return memo.call("k"); });
  gate.begun.wait();
  Impatient waiter;
  EXPECT_TRUE(memo.call("k", waiter).interrupted);
  EXPECT_EQ(waiter.looks, 3);
  gate.open.count_down();
  leader.wait();
}

TEST(Coalesce, RefreshComputesAnewAndDetachesWhatRuns) {
  Gate gate;
  std::atomic<int> bodies{0};
  Memo memo([&](const auto&) {
    const int mine = ++bodies;
    if (mine == 1) gate.pass();
    return mine;
  });
  auto leader = in_thread([&] { return memo.call("k"); });
  gate.begun.wait();

  EXPECT_EQ(*memo.refresh("k").take(), 2);
  gate.open.count_down();
  EXPECT_EQ(*leader.get().take(), 1);
  EXPECT_EQ(**memo.peek("k"), 2);
  EXPECT_EQ(*memo.refresh("k").take(), 3) << "also when the table has a value";
}

TEST(Coalesce, BackgroundFlightIsStartedOnceAndJoined) {
  Memo memo([&](const auto&) { return 6; });
  std::string key = "k";
  const auto make_key = [&] { return key; };
  auto leadership = begin_flight(memo.flights, Memo::hash_of(key), key, make_key);
  ASSERT_TRUE(leadership);
  EXPECT_FALSE(begin_flight(memo.flights, Memo::hash_of(key), key, make_key));
  auto joiner = in_thread([&] { return memo.call("k"); });
  memo.wait_for_waiters("k", 1);

  const auto answer = memo.with(
      key, [&](const auto& call) { return lead_flight(std::move(leadership), call, memo.limits); });
  EXPECT_TRUE(answer.ran);
  EXPECT_FALSE(joiner.get().ran);
  EXPECT_EQ(**memo.peek("k"), 6);
}

TEST(Coalesce, BackgroundFlightThatIsDroppedPromotesAWaiter) {
  Memo memo([&](const auto&) { return 6; });
  std::string key = "k";
  auto leadership = begin_flight(memo.flights, Memo::hash_of(key), key, [&] { return key; });
  auto joiner = in_thread([&] { return memo.call("k"); });
  memo.wait_for_waiters("k", 1);
  leadership = {};

  const auto answer = joiner.get();
  EXPECT_TRUE(answer.ran);
  EXPECT_EQ(**answer.value(), 6);
}

TEST(Coalesce, CostIsMeasuredOnTheGivenClock) {
  static std::atomic<std::int64_t> seconds{0};
  Memo memo([&](const auto&) { return static_cast<int>(seconds += 7); });
  memo.limits.now = +[]() noexcept { return SteadyTime(std::chrono::seconds(seconds.load())); };
  EXPECT_EQ(memo.call("k").cost, 7s);
  EXPECT_EQ(memo.call("k").cost, 0s) << "a hit costs nothing";
}

TEST(Coalesce, ValueIsMovedOutOnlyWhenNobodyElseCanSeeIt) {
  Memo memo([&](const auto&) { return 1; });
  auto alone = memo.refresh("k");
  const Shared kept = *alone.value();
  const long owners = kept.use_count();
  const Shared taken = std::move(alone).take();
  EXPECT_EQ(taken.use_count(), owners);

  auto shared = memo.refresh("k");
  const auto flight = shared.flight;
  const Shared copied = std::move(shared).take();
  EXPECT_EQ(*flight->outcome().value(), copied);
}

TEST(Coalesce, ErrorsOfTheKeyComeToTheCallerAsTheyAre) {
  Memo memo([&](const auto&) { return 1; });
  std::string key = "k";
  const FlightCall call{1U,
                        key,
                        []() -> std::string { throw std::range_error("key"); },
                        [](const auto&) { return std::optional<Shared>(); },
                        [] { return Shared(); },
                        [](const Shared&, const auto&) {}};
  EXPECT_THROW(coalesce(memo.flights, call, memo.limits), std::range_error);
  EXPECT_EQ(memo.flights.size(), 0U);
}

}  // namespace
}  // namespace dcache::engine
