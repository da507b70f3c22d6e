// SPDX-License-Identifier: MIT
// Flights without a blocked thread: waiters are callbacks, time is an argument.
#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "dcache/engine/flights.hpp"
#include "dcache/engine/waiter.hpp"
#include "support/child.hpp"
#include "support/sanitized.hpp"

namespace dcache::engine {
namespace {

using namespace std::chrono_literals;
using testing::sanitized;
using testing::true_in_child;

// Equality with a hook in front: where a test throws or calls back.
struct Equal {
  std::shared_ptr<std::function<void()>> before = std::make_shared<std::function<void()>>();
  bool operator()(const std::string& key, std::string_view view) const {
    if (*before) (*before)();
    return key == view;
  }
};

using Registry = Flights<std::string, int, Equal>;
using Flown = Registry::Flown;

// A waiter as an event loop would have: it remembers what it was told.
class Callback final : public Waiter {
 public:
  explicit Callback(std::function<bool()> on_lead = [] { return true; }) noexcept
      : on_lead_(std::move(on_lead)) {}

  void landed() noexcept override {
    ++landed_count;
    if (on_landed) on_landed();
  }
  bool lead() noexcept override {
    ++asked_count;
    return on_lead_();
  }

  int landed_count = 0;
  int asked_count = 0;
  std::function<void()> on_landed;

 private:
  std::function<bool()> on_lead_;
};

class FlightsTest : public ::testing::Test {
 protected:
  static constexpr std::uint64_t hash = 42;

  Registry::Joined join(std::string_view key = "k", std::uint64_t of_hash = hash) {
    return flights_.join(of_hash, key, [&] { return std::string(key); }, start_);
  }
  bool land(Flown& flight, int value) {
    auto outcome = Outcome<int>::of(value);
    return flights_
        .land(flight, outcome,
              [&](int stored, const std::atomic<bool>& detached) {
                if (!detached.load()) stored_.push_back(stored);
              })
        .first;
  }

  const SteadyTime start_{100h};
  const FlightLimits limits_{.flight_timeout = 30s};
  Equal equal_;
  Registry flights_{equal_};
  std::vector<int> stored_;
};

TEST_F(FlightsTest, FirstLeadsAndOthersJoinTheSameFlight) {
  const auto first = join();
  const auto second = join();
  const auto other = join("l", 43);

  EXPECT_TRUE(first.leader);
  EXPECT_FALSE(second.leader);
  EXPECT_EQ(first.flight.get(), second.flight.get());
  EXPECT_TRUE(other.leader);
  EXPECT_EQ(first.flight->key(), "k");
  land(*first.flight, 1);
  land(*other.flight, 2);
  EXPECT_EQ(flights_.size(), 0U);
}

TEST_F(FlightsTest, WaitersAreToldOnceWhenItHasLandedAndLeft) {
  const auto [flight, leader] = join();
  Callback one, two;
  one.on_landed = [&] { EXPECT_EQ(flights_.size(), 0U); };
  EXPECT_EQ(flight->enlist(one), Joining::waiting);
  EXPECT_EQ(flight->enlist(two), Joining::waiting);
  EXPECT_EQ(flight->waiters(), 2U);

  EXPECT_TRUE(land(*flight, 7));

  EXPECT_EQ(one.landed_count, 1);
  EXPECT_EQ(two.landed_count, 1);
  EXPECT_EQ(one.asked_count, 0);
  EXPECT_EQ(*flight->outcome().value(), 7);
  EXPECT_EQ(stored_, std::vector{7});
}

TEST_F(FlightsTest, WhoComesAfterTheLandingIsAnsweredAtOnce) {
  const auto [flight, leader] = join();
  land(*flight, 7);
  Callback late;

  EXPECT_EQ(flight->enlist(late), Joining::landed);
  EXPECT_EQ(late.landed_count, 0);
  EXPECT_FALSE(flight->leave(late));
  EXPECT_TRUE(join().leader);
}

TEST_F(FlightsTest, WaiterThatLeftIsToldNothing) {
  const auto [flight, leader] = join();
  Callback one, two, three;
  for (Callback* waiter : {&one, &two, &three}) flight->enlist(*waiter);

  EXPECT_TRUE(flight->leave(two));
  EXPECT_FALSE(flight->leave(two));
  EXPECT_TRUE(flight->leave(three));
  EXPECT_EQ(flight->waiters(), 1U);
  land(*flight, 7);

  EXPECT_EQ(one.landed_count, 1);
  EXPECT_EQ(two.landed_count + three.landed_count, 0);
  EXPECT_FALSE(flight->leave(one));
}

TEST_F(FlightsTest, WaiterMayVanishOrWaitAnewWhileItIsTold) {
  const auto [flight, leader] = join();
  auto vanishing = std::make_unique<Callback>();
  Callback again;
  Ref<Flown> next;
  vanishing->on_landed = [&] { vanishing.reset(); };
  again.on_landed = [&] {
    if (next) return;
    next = join().flight;
    EXPECT_EQ(next->enlist(again), Joining::waiting);
  };
  flight->enlist(*vanishing);
  flight->enlist(again);

  land(*flight, 1);
  EXPECT_EQ(vanishing, nullptr);
  EXPECT_EQ(again.landed_count, 1);
  land(*next, 2);
  EXPECT_EQ(again.landed_count, 2);
}

TEST_F(FlightsTest, AbandonedFlightGoesToTheFirstWhoWaits) {
  const auto [flight, leader] = join();
  Callback first, second;
  flight->enlist(first);
  flight->enlist(second);

  flights_.abandon(*flight, start_ + 5s);

  EXPECT_EQ(first.asked_count, 1);
  EXPECT_EQ(second.asked_count, 0);
  EXPECT_EQ(flight->runners(), 1U);
  EXPECT_FALSE(join().leader);
  EXPECT_EQ(flight->deadline(limits_), start_ + 35s) << "the time counts from the promotion";
  EXPECT_TRUE(flight->start(start_ + 6s));
  EXPECT_EQ(flight->deadline(limits_), start_ + 36s) << "and again from the start";
  EXPECT_TRUE(land(*flight, 3));
  EXPECT_EQ(first.landed_count, 0);
  EXPECT_EQ(second.landed_count, 1);
  EXPECT_EQ(stored_, std::vector{3});
}

TEST_F(FlightsTest, LeadershipPassesOnWhenTheOneWhoIsAskedWasCancelled) {
  const auto [flight, leader] = join();
  Callback first([] { return false; });
  Callback second([] { return false; });
  Callback third;
  for (Callback* waiter : {&first, &second, &third}) flight->enlist(*waiter);

  flights_.abandon(*flight, start_);

  EXPECT_EQ(first.asked_count + second.asked_count + third.asked_count, 3);
  EXPECT_EQ(flight->runners(), 1U);
  EXPECT_TRUE(land(*flight, 3));
}

TEST_F(FlightsTest, PromotedOneThatIsCancelledBeforeItStartsPassesOn) {
  const auto [flight, leader] = join();
  Callback first, second;
  flight->enlist(first);
  flight->enlist(second);

  flights_.abandon(*flight, start_);
  flights_.abandon(*flight, start_);  // By `first`.

  EXPECT_EQ(second.asked_count, 1);
  EXPECT_TRUE(land(*flight, 3));
}

TEST_F(FlightsTest, FlightThatNobodyWantsIsVacated) {
  const auto [flight, leader] = join();
  const auto joined = join();  // Has the flight, but does not wait for it yet.
  Callback declining([] { return false; });
  flight->enlist(declining);

  flights_.abandon(*flight, start_);

  EXPECT_EQ(flights_.size(), 0U);
  EXPECT_TRUE(flight->detached()) << "no invalidation could find it";
  Callback late;
  EXPECT_EQ(joined.flight->enlist(late), Joining::vacated);
  EXPECT_TRUE(join().leader);
}

TEST_F(FlightsTest, FlightIsNotJoinedWhileItsLastWaiterDeclines) {
  const auto [flight, leader] = join();
  Callback last([&] {
    EXPECT_FALSE(join().leader) << "still running until nobody is left";
    return false;
  });
  flight->enlist(last);
  flights_.abandon(*flight, start_);
  EXPECT_TRUE(join().leader);
}

TEST_F(FlightsTest, DroppedLeadershipAbandons) {
  Callback waiter;
  {
    auto [flight, leader] = join();
    flight->enlist(waiter);
    const Leadership<Registry> leadership(flights_, flight);
  }
  EXPECT_EQ(waiter.asked_count, 1);
}

TEST_F(FlightsTest, PatienceIsTheLargerOfTimeoutAndThreeTimesTheCostDoubledByTakeovers) {
  EXPECT_EQ(patience({}, 0), 30s);
  EXPECT_EQ(patience({.cost = 9s}, 0), 30s);
  EXPECT_EQ(patience({.cost = 20s}, 0), 60s);
  EXPECT_EQ(patience({.cost = 20s}, 2), 240s);
  EXPECT_EQ(patience({.flight_timeout = 1s}, 3), 8s);
  EXPECT_EQ(patience({}, 4'000'000'000), 24h * 365);
  EXPECT_EQ(patience({.cost = std::chrono::nanoseconds::max()}, 63), 24h * 365);
}

TEST_F(FlightsTest, ExactlyOneWaiterTakesOverAndTheOthersJoinIt) {
  const auto [flight, leader] = join();
  Callback one, two;
  flight->enlist(one);
  flight->enlist(two);

  EXPECT_EQ(flight->deadline(limits_), start_ + 30s);
  EXPECT_EQ(flight->try_take_over(one, limits_, start_ + 29s), Turn::keep_waiting);
  EXPECT_EQ(flight->try_take_over(one, limits_, start_ + 30s), Turn::take_over);
  EXPECT_EQ(flight->try_take_over(two, limits_, start_ + 30s), Turn::keep_waiting);
  EXPECT_EQ(flight->runners(), 2U);
  EXPECT_EQ(flight->deadline(limits_), start_ + 30s + 60s) << "anew, and doubled";
  EXPECT_EQ(flight->try_take_over(two, limits_, start_ + 90s), Turn::take_over);
  EXPECT_EQ(flight->takeovers(), 2U);
  EXPECT_EQ(flight->deadline(limits_), start_ + 90s + 120s);
}

TEST_F(FlightsTest, OneWaiterTakesThePlaceOfALeaderThatHasQueued) {
  auto [flight, leader] = join();
  Leadership<Registry> queued(flights_, flight);
  queued.queue();
  Callback one, two;
  flight->enlist(one);
  flight->enlist(two);

  EXPECT_EQ(flight->deadline(limits_), start_);
  EXPECT_EQ(flight->try_take_over(one, limits_, start_ + 1s), Turn::take_over);
  EXPECT_EQ(flight->try_take_over(two, limits_, start_ + 1s), Turn::keep_waiting);
  EXPECT_EQ(flight->runners(), 1U);
  EXPECT_EQ(flight->deadline(limits_), start_ + 1s + 30s) << "not doubled: nobody had his time";

  EXPECT_FALSE(queued.begin());
  EXPECT_FALSE(queued);
  EXPECT_TRUE(land(*flight, 7));
  EXPECT_EQ(two.landed_count, 1);
}

TEST_F(FlightsTest, LeaderThatHasQueuedBeginsIfNobodyHasComeForIt) {
  auto [flight, leader] = join();
  Leadership<Registry> queued(flights_, flight);
  queued.queue();

  EXPECT_TRUE(queued.begin());
  Callback late;
  flight->enlist(late);
  EXPECT_EQ(flight->try_take_over(late, limits_, start_ + 1s), Turn::keep_waiting);
  queued = {};
  EXPECT_EQ(late.asked_count, 1) << "dropped, it is handed over as any other";
  flights_.abandon(*flight, start_);
}

TEST_F(FlightsTest, LeaderThatHasQueuedAndIsDroppedLeavesTheFlightToWhoHasItsPlace) {
  auto [flight, leader] = join();
  Leadership<Registry> queued(flights_, flight);
  queued.queue();
  Callback taker, waiter;
  flight->enlist(taker);
  flight->enlist(waiter);
  ASSERT_EQ(flight->try_take_over(taker, limits_, start_), Turn::take_over);

  queued = {};
  EXPECT_EQ(waiter.asked_count, 0);
  EXPECT_EQ(flight->runners(), 1U);
  EXPECT_TRUE(land(*flight, 7));
  EXPECT_EQ(waiter.landed_count, 1);
}

TEST_F(FlightsTest, FirstFinisherIsKeptAndALateOneStoresNothing) {
  const auto [flight, leader] = join();
  Callback taker, waiter;
  flight->enlist(taker);
  flight->enlist(waiter);
  ASSERT_EQ(flight->try_take_over(taker, limits_, start_ + 30s), Turn::take_over);

  EXPECT_TRUE(land(*flight, 2));  // By the taker.
  auto late = Outcome<int>::of(1);
  const Landing landing = flights_.land(*flight, late, [](int, const auto&) { FAIL(); });

  EXPECT_FALSE(landing.first);
  EXPECT_EQ(*late.value(), 1) << "the late one keeps its own";
  EXPECT_EQ(*flight->outcome().value(), 2);
  EXPECT_EQ(stored_, std::vector{2});
  EXPECT_EQ(waiter.landed_count, 1);
}

TEST_F(FlightsTest, RunnerThatAbandonsLeavesItToTheOtherRunner) {
  const auto [flight, leader] = join();
  Callback taker, waiter;
  flight->enlist(taker);
  flight->enlist(waiter);
  ASSERT_EQ(flight->try_take_over(taker, limits_, start_ + 30s), Turn::take_over);

  flights_.abandon(*flight, start_ + 31s);

  EXPECT_EQ(waiter.asked_count, 0);
  EXPECT_EQ(flight->runners(), 1U);
  EXPECT_TRUE(land(*flight, 2));
  EXPECT_EQ(waiter.landed_count, 1);
}

TEST_F(FlightsTest, PromotedOneLearnsAtItsStartThatAnotherRunnerHasLanded) {
  const auto [flight, leader] = join();
  Callback taker;
  Callback promoted([&, &flown = *flight] {
    EXPECT_EQ(flown.try_take_over(taker, limits_, start_ + 60s), Turn::take_over);
    EXPECT_TRUE(land(flown, 5));
    return true;
  });
  flight->enlist(promoted);
  flight->enlist(taker);

  flights_.abandon(*flight, start_);

  EXPECT_FALSE(flight->start(start_ + 61s));
  EXPECT_EQ(flight->runners(), 0U);
  EXPECT_EQ(*flight->outcome().value(), 5);
}

TEST_F(FlightsTest, WhoWaitsTooLongForTheStoringTakesTheOutcome) {
  const auto [flight, leader] = join();
  Callback hasty, patient;
  flight->enlist(hasty);
  flight->enlist(patient);
  auto outcome = Outcome<int>::of(8);

  flights_.land(*flight, outcome, [&, &flown = *flight](int, const auto&) {
    EXPECT_EQ(flown.try_take_over(hasty, limits_, start_ + 29s), Turn::keep_waiting);
    EXPECT_EQ(flown.try_take_over(hasty, limits_, start_ + 30s), Turn::landed);
    EXPECT_EQ(*flown.outcome().value(), 8);
  });

  EXPECT_EQ(hasty.landed_count, 0);
  EXPECT_EQ(patient.landed_count, 1);
  EXPECT_EQ(flight->runners(), 0U);
}

TEST_F(FlightsTest, DetachedFlightAnswersThoseWhoJoinedAndIsStoredNowhere) {
  const auto [flight, leader] = join();
  Callback joined;
  flight->enlist(joined);

  EXPECT_TRUE(flights_.detach(hash, "k"));
  EXPECT_FALSE(flights_.detach(hash, "k"));
  const auto later = join();
  EXPECT_TRUE(flight->guard().load());
  EXPECT_TRUE(later.leader);
  EXPECT_NE(later.flight.get(), flight.get());

  EXPECT_TRUE(land(*flight, 1));
  EXPECT_EQ(joined.landed_count, 1);
  EXPECT_TRUE(stored_.empty());
  EXPECT_EQ(flights_.size(), 1U);
  EXPECT_TRUE(land(*later.flight, 2));
  EXPECT_EQ(stored_, std::vector{2});
}

// A flight that begins between the detaching and the erasing finds the old entry when it looks into
// the table again, and would answer callers who came after the invalidation. Found by the stress.
TEST_F(FlightsTest, InvalidationAlsoDetachesWhatBeganWhileItErased) {
  const auto [before, leader] = join();
  Ref<Flown> between;
  EXPECT_TRUE(flights_.invalidate(hash, "k", [&] {
    EXPECT_TRUE(before->detached());
    between = join().flight;
    EXPECT_FALSE(between->detached());
  }));
  EXPECT_TRUE(between->detached());
  EXPECT_FALSE(flights_.invalidate(hash, "k", [] {}));
  EXPECT_TRUE(join().leader);

  flights_.invalidate_all([&] { between = join("other").flight; });
  EXPECT_TRUE(between->detached());
  EXPECT_EQ(flights_.size(), 0U);
}

TEST_F(FlightsTest, CommitSeesADetachThatCameFirst) {
  const auto [flight, leader] = join();
  auto outcome = Outcome<int>::of(1);
  bool seen = false;
  flights_.land(*flight, outcome, [&](int, const std::atomic<bool>& detached) {
    flights_.detach(hash, "k");
    seen = detached.load();
  });
  EXPECT_TRUE(seen);
  EXPECT_EQ(flights_.size(), 0U);
}

TEST_F(FlightsTest, DetachAllDetachesEveryFlight) {
  std::vector<Ref<Flown>> running;
  running.reserve(100);
  for (std::uint64_t i = 0; i < 100; ++i) {
    running.push_back(join(std::to_string(i), i * 0x9E3779B97F4A7C15ULL).flight);
  }
  EXPECT_EQ(flights_.size(), 100U);

  flights_.detach_all();

  EXPECT_EQ(flights_.size(), 0U);
  for (const auto& flight : running) {
    EXPECT_TRUE(flight->detached());
    EXPECT_TRUE(land(*flight, 1));
  }
  EXPECT_TRUE(stored_.empty());
  EXPECT_TRUE(join("k0", 0).leader);
}

TEST_F(FlightsTest, RestartDetachesTheRunningOneAndLeadsANewOne) {
  const auto [flight, leader] = join();
  const auto fresh = flights_.restart(hash, "k", [] { return std::string("k"); }, start_);

  EXPECT_TRUE(flight->detached());
  EXPECT_FALSE(fresh->detached());
  EXPECT_EQ(join().flight.get(), fresh.get());
  land(*flight, 1);
  land(*fresh, 2);
  EXPECT_EQ(stored_, std::vector{2});
}

TEST_F(FlightsTest, ExceptionsAreSharedAndNotStored) {
  const auto [flight, leader] = join();
  Callback waiter;
  flight->enlist(waiter);
  auto outcome = Outcome<int>::failed(std::make_exception_ptr(std::runtime_error("no")));
  const std::exception_ptr thrown = outcome.error();

  EXPECT_TRUE(flights_.land(*flight, outcome, [](int, const auto&) { FAIL(); }).first);

  EXPECT_EQ(waiter.landed_count, 1);
  EXPECT_EQ(flight->outcome().error(), thrown);
  EXPECT_TRUE(join().leader);
}

TEST_F(FlightsTest, CommitThatThrowsIsTheLeadersTroubleOnly) {
  const auto [flight, leader] = join();
  Callback waiter;
  flight->enlist(waiter);
  auto outcome = Outcome<int>::of(4);

  const Landing landing =
      flights_.land(*flight, outcome, [](int, const auto&) { throw std::runtime_error("full"); });

  EXPECT_TRUE(landing.first);
  EXPECT_THROW(std::rethrow_exception(landing.commit_error), std::runtime_error);
  EXPECT_EQ(waiter.landed_count, 1);
  EXPECT_EQ(*flight->outcome().value(), 4);
  EXPECT_EQ(flights_.size(), 0U);
}

TEST_F(FlightsTest, KeysOfOneHashHaveFlightsOfTheirOwn) {
  std::vector<Ref<Flown>> running;
  running.reserve(50);
  for (int i = 0; i < 50; ++i) {
    auto joined = join(std::to_string(i));
    ASSERT_TRUE(joined.leader);
    running.push_back(joined.flight);
  }
  EXPECT_EQ(join("7").flight.get(), running[7].get());
  EXPECT_TRUE(flights_.detach(hash, "8"));
  EXPECT_FALSE(running[7]->detached());
  EXPECT_EQ(flights_.size(), 49U);
  for (const auto& flight : running) land(*flight, 1);
  EXPECT_EQ(stored_.size(), 49U);
}

TEST_F(FlightsTest, EqualityThatThrowsLeavesEverythingAsItWas) {
  const auto [flight, leader] = join();
  *equal_.before = [] { throw std::runtime_error("=="); };
  EXPECT_THROW(join(), std::runtime_error);
  EXPECT_THROW(join("l"), std::runtime_error);
  *equal_.before = nullptr;

  EXPECT_EQ(flights_.size(), 1U);
  EXPECT_EQ(join().flight.get(), flight.get());
}

TEST_F(FlightsTest, InvalidationWhoseEqualityThrowsDetachesAllOfThatHashAndSaysSo) {
  const auto one = join("k");
  const auto two = join("l");
  *equal_.before = [] { throw std::runtime_error("=="); };
  EXPECT_THROW(flights_.detach(hash, "k"), std::runtime_error);
  EXPECT_TRUE(one.flight->detached());
  EXPECT_TRUE(two.flight->detached());
}

TEST_F(FlightsTest, MakeKeyThatThrowsLeavesNothingBehind) {
  const auto make_key = []() -> std::string { throw std::runtime_error("key"); };
  EXPECT_THROW(flights_.join(hash, "k", make_key, start_), std::runtime_error);
  EXPECT_EQ(flights_.size(), 0U);
}

TEST_F(FlightsTest, EqualityMayCallBackIntoTheSameFlights) {
  const auto [flight, leader] = join();
  int depth = 0;
  *equal_.before = [&] {
    if (++depth != 1) return;
    EXPECT_EQ(join().flight.get(), flight.get());
    EXPECT_TRUE(join("other").leader);
    EXPECT_EQ(flights_.size(), 2U);
  };
  EXPECT_EQ(join().flight.get(), flight.get());
}

TEST_F(FlightsTest, FlightThatIsDetachedWhileItsKeyIsComparedIsNotJoined) {
  const auto [flight, leader] = join();
  bool once = false;
  *equal_.before = [&] {
    if (!std::exchange(once, true)) flights_.detach_all();
  };
  EXPECT_TRUE(join().leader);
}

TEST_F(FlightsTest, FlightThatStartsWhileAnotherKeyIsComparedIsFound) {
  const auto [flight, leader] = join("other");
  Ref<Flown> meanwhile;
  *equal_.before = [&, armed = true]() mutable {
    if (!std::exchange(armed, false)) return;
    meanwhile = join("k").flight;
  };
  const auto second = join("k");
  EXPECT_FALSE(second.leader);
  EXPECT_EQ(second.flight.get(), meanwhile.get());
}

TEST_F(FlightsTest, JoiningFromInsideIsComputedThrough) {
  const auto [flight, leader] = join();
  Callback waiter;
  {
    const Inside inside(flight);
    EXPECT_EQ(flight->enlist(waiter), Joining::compute_through);
  }
  EXPECT_EQ(flight->enlist(waiter), Joining::waiting);
  land(*flight, 1);
}

TEST_F(FlightsTest, AdoptedContextCountsBesideTheThreadsOwn) {
  const auto carried = join("carried", 1).flight;
  const auto own = join("own", 2).flight;
  const auto neither = join("neither", 3).flight;
  Context context;
  {
    const Inside inside(carried);
    context = Context::capture();
  }
  EXPECT_TRUE(Context::capture().empty());
  {
    const Inside inside(own);
    const Context::Adopt adopt(context);
    const Context::Adopt nothing{Context()};
    Callback waiter;
    EXPECT_EQ(carried->enlist(waiter), Joining::compute_through);
    EXPECT_EQ(own->enlist(waiter), Joining::compute_through);
    EXPECT_EQ(neither->enlist(waiter), Joining::waiting);
    EXPECT_TRUE(neither->leave(waiter));
  }
  EXPECT_TRUE(Context::capture().empty());
}

TEST_F(FlightsTest, CycleOfCallbacksIsFoundAndAWaiterThatLeftIsNoEdge) {
  const auto a = join("a", 1).flight;
  const auto b = join("b", 2).flight;
  const auto c = join("c", 3).flight;
  Callback a_for_b, b_for_c, c_for_a;
  const auto enlist = [](const Ref<Flown>& from, const Ref<Flown>& to, Callback& waiter) {
    const Context::Adopt adopt(Context().with(from));
    return to->enlist(waiter);
  };
  EXPECT_EQ(enlist(a, b, a_for_b), Joining::waiting);
  EXPECT_EQ(enlist(b, c, b_for_c), Joining::waiting);
  EXPECT_EQ(enlist(c, a, c_for_a), Joining::compute_through);
  EXPECT_TRUE(c->leave(b_for_c));
  EXPECT_EQ(enlist(c, a, c_for_a), Joining::waiting);
  EXPECT_EQ(enlist(b, c, b_for_c), Joining::compute_through);
  land(*a, 1);
  EXPECT_EQ(enlist(b, c, b_for_c), Joining::waiting) << "who was told is no edge either";
  for (const auto& flight : {b, c}) land(*flight, 1);
  EXPECT_EQ(a_for_b.landed_count + b_for_c.landed_count + c_for_a.landed_count, 3);
}

TEST_F(FlightsTest, ForkedChildStartsAnewAndNothingHangs) {
  const auto [flight, leader] = join();
  Callback waiter, other;
  flight->enlist(waiter);

  EXPECT_TRUE(true_in_child([&, &old = *flight] {
    const auto fresh = join();
    bool good = fresh.leader && fresh.flight.get() != &old && flights_.size() == 1;
    good = good && old.detached() && old.enlist(other) == Joining::vacated;
    good = good && old.deadline(limits_) < start_ && old.leave(waiter) && old.start(start_);
    good = good && !land(old, 1) && stored_.empty();  // The leader, if it was the one who forked.
    flights_.abandon(old, start_);
    good = good && !flights_.detach(hash, "nobody") && land(*fresh.flight, 2);
    return good && stored_ == std::vector{2} && waiter.landed_count == 0;
  }));

  EXPECT_FALSE(flight->detached());
  land(*flight, 3);
  EXPECT_EQ(waiter.landed_count, 1);
}

TEST_F(FlightsTest, ChildOfAProcessInTheMiddleOfEverythingComputes) {
  if (sanitized) GTEST_SKIP() << "forks among threads";
  std::atomic<bool> stop{false};
  std::vector<std::thread> busy;
  busy.reserve(2);
  for (int i = 0; i < 2; ++i) {
    busy.emplace_back([&, i] {
      for (std::uint64_t n = 0; !stop.load(); ++n) {
        std::string key = std::to_string(i * 1000 + static_cast<int>(n % 100));
        const auto joined = flights_.join(n % 100, key, [&] { return key; }, start_);
        auto outcome = Outcome<int>::of(1);
        if (joined.leader) flights_.land(*joined.flight, outcome, [](int, const auto&) {});
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(true_in_child([&] {
      bool good = true;
      for (std::uint64_t n = 0; n < 100; ++n) {
        const auto joined = join("child", n);
        good = good && joined.leader && land(*joined.flight, 1);
      }
      return good && flights_.size() == 0;
    }));
  }
  stop.store(true);
  for (auto& thread : busy) thread.join();
}

}  // namespace
}  // namespace dcache::engine
