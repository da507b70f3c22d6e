// SPDX-License-Identifier: MIT
// When entries die, told by a clock that the test moves.
#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <ostream>
#include <random>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include <gtest/gtest.h>

#include "dcache/memory.hpp"
#include "support/removals.hpp"

namespace dcache {
namespace {

using namespace std::chrono_literals;
using testing::Removal;
using testing::Removals;

constexpr Duration day = 24h;

// Too large to be a plain entry.
struct Large {
  int number;
  std::array<int, 19> rest{};

  friend bool operator==(const Large&, const Large&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Large& large) {
    return out << large.number;
  }
};

// Every sentence holds for entries that are copied and for entries that are pinned.
template <class Value>
struct Make;
template <>
struct Make<int> {
  static int value(int number) { return number; }
};
template <>
struct Make<Large> {
  static Large value(int number) { return {number}; }
};
template <>
struct Make<std::string> {
  static std::string value(int number) { return std::to_string(number); }
};

template <class Value>
class Expiry : public ::testing::Test {
 protected:
  using Table = Memory<int, Value>;
  using Options = typename Table::Options;

  static Value value(int number) { return Make<Value>::value(number); }

  Table table(Options options) {
    options.clock = &clock_;
    return Table(options);
  }

  ManualClock clock_;
};

struct ValueNames {
  template <class T>
  static std::string GetName(int) {
    if (std::is_same_v<T, int>) return "Plain";
    return std::is_same_v<T, Large> ? "PinnedLarge" : "Pinned";
  }
};
using Values = ::testing::Types<int, Large, std::string>;
TYPED_TEST_SUITE(Expiry, Values, ValueNames);

TYPED_TEST(Expiry, TtlIsExactToTheMillisecond) {
  auto table = this->table({.ttl = 250ms});
  table.put(1, this->value(1));

  this->clock_.advance(250ms - 1ns);
  EXPECT_EQ(table.get(1), this->value(1));
  this->clock_.advance(1ns);
  EXPECT_EQ(table.get(1), std::nullopt);
}

TYPED_TEST(Expiry, TtlIsExactForEveryAgeOfTheTable) {
  auto table = this->table({.ttl = 10ms});
  std::mt19937_64 random(1);
  for (int i = 0; i < 2000; ++i) {
    this->clock_.advance(std::chrono::milliseconds(random() % 5000));
    table.put(i, this->value(i));
    this->clock_.advance(9ms);
    ASSERT_EQ(table.get(i), this->value(i));
    this->clock_.advance(1ms);
    ASSERT_EQ(table.get(i), std::nullopt);
  }
}

TYPED_TEST(Expiry, AnEntryMayHaveATtlOfItsOwn) {
  auto table = this->table({.ttl = 1s});
  table.put(1, this->value(1), {.ttl = 100ms});
  table.put(2, this->value(2), {.ttl = 10s});
  table.put(3, this->value(3));

  this->clock_.advance(100ms);
  EXPECT_EQ(table.get(1), std::nullopt);
  EXPECT_EQ(table.get(3), this->value(3));
  this->clock_.advance(900ms);
  EXPECT_EQ(table.get(3), std::nullopt);
  EXPECT_EQ(table.get(2), this->value(2));
}

TYPED_TEST(Expiry, OneMortalEntryMakesNoOtherMortal) {
  auto table = this->table({.max_entries = 100});
  for (int i = 0; i < 50; ++i) table.put(i, this->value(i));
  table.put(50, this->value(50), {.ttl = 1s});
  for (int i = 51; i < 90; ++i) table.put(i, this->value(i));

  this->clock_.advance(100 * day);

  for (int i = 0; i < 90; ++i) EXPECT_EQ(table.get(i).has_value(), i != 50) << i;
}

TYPED_TEST(Expiry, TheShortestTtlIsNoEternity) {
  auto table = this->table({.ttl = 1ns});
  table.put(1, this->value(1));
  this->clock_.advance(1ms);
  EXPECT_EQ(table.get(1), std::nullopt);
}

TYPED_TEST(Expiry, TtlsUpTo23DaysAreKeptInFull) {
  auto table = this->table({.ttl = 23 * day});
  // The later the store in the life of the table's epoch, the closer to its limit.
  for (int i = 0; i < 12; ++i) {
    table.put(i, this->value(i));
    this->clock_.advance(23 * day - 1ms);
    EXPECT_EQ(table.get(i), this->value(i));
    this->clock_.advance(1ms);
    EXPECT_EQ(table.get(i), std::nullopt);
  }
}

TYPED_TEST(Expiry, LongerTtlsMayEndEarlyButNeverLate) {
  auto table = this->table({.ttl = 400 * day});
  table.put(1, this->value(1));

  this->clock_.advance(24 * day);
  EXPECT_EQ(table.get(1), this->value(1));
  this->clock_.advance(376 * day);
  EXPECT_EQ(table.get(1), std::nullopt);
}

TYPED_TEST(Expiry, TheLongestTtlIsAccepted) {
  auto table = this->table({.ttl = Duration::max()});
  this->clock_.advance(10 * day);
  table.put(1, this->value(1));
  this->clock_.advance(20 * day);
  EXPECT_EQ(table.get(1), this->value(1));
}

TYPED_TEST(Expiry, OverwritingGivesANewLife) {
  auto table = this->table({.ttl = 1s});
  table.put(1, this->value(1));
  this->clock_.advance(900ms);
  table.put(1, this->value(2));

  this->clock_.advance(999ms);
  EXPECT_EQ(table.get(1), this->value(2));
  this->clock_.advance(1ms);
  EXPECT_EQ(table.get(1), std::nullopt);
}

TYPED_TEST(Expiry, OverwritingMayShortenALife) {
  auto table = this->table({.ttl = 1h});
  table.put(1, this->value(1));
  table.put(1, this->value(2), {.ttl = 10ms});
  this->clock_.advance(10ms);
  EXPECT_EQ(table.get(1), std::nullopt);
}

TYPED_TEST(Expiry, OverwritingMayMakeImmortal) {
  auto table = this->table({});
  table.put(1, this->value(1), {.ttl = 10ms});
  table.put(1, this->value(2));

  this->clock_.advance(30 * day);
  for (int i = 2; i < 100; ++i) table.put(i, this->value(i));

  EXPECT_EQ(table.get(1), this->value(2));
}

TYPED_TEST(Expiry, WhatHasExpiredCanBePutAgain) {
  auto table = this->table({.ttl = 1s});
  for (int round = 0; round < 50; ++round) {
    EXPECT_EQ(table.get(1), std::nullopt);
    EXPECT_TRUE(table.put(1, this->value(round)));
    EXPECT_EQ(table.get(1), this->value(round));
    this->clock_.advance(1s);
  }
}

// --- Time to idle ---

TYPED_TEST(Expiry, EachUsePostponesAnIdleDeath) {
  auto table = this->table({.idle = 100ms});
  table.put(1, this->value(1));
  for (int i = 0; i < 50; ++i) {
    this->clock_.advance(99ms);
    ASSERT_EQ(table.get(1), this->value(1));
  }
  this->clock_.advance(100ms);
  EXPECT_EQ(table.get(1), std::nullopt);
}

TYPED_TEST(Expiry, UseNeverPostponesDeathPastTheTtl) {
  auto table = this->table({.ttl = 1s, .idle = 300ms});
  table.put(1, this->value(1));
  for (int i = 0; i < 4; ++i) {
    this->clock_.advance(240ms);
    ASSERT_EQ(table.get(1), this->value(1));
  }
  this->clock_.advance(39ms);
  EXPECT_EQ(table.get(1), this->value(1));
  this->clock_.advance(1ms);
  EXPECT_EQ(table.get(1), std::nullopt);
}

TYPED_TEST(Expiry, ALookUpThatDoesNotCountPostponesNothing) {
  auto table = this->table({.idle = 100ms});
  table.put(1, this->value(1));
  this->clock_.advance(60ms);
  {
    typename TestFixture::Table::Hit hit;
    table.find(1, engine::Hash<int>{}(1), hit, false);
    EXPECT_TRUE(hit);
  }
  this->clock_.advance(40ms);
  EXPECT_EQ(table.get(1), std::nullopt);
}

TYPED_TEST(Expiry, IdleEntriesAreReclaimedAndUsedOnesAreNot) {
  auto table = this->table({.max_entries = 1000, .idle = 10s});
  for (int i = 0; i < 200; ++i) table.put(i, this->value(i));
  for (int second = 0; second < 30; ++second) {
    this->clock_.advance(1s);
    for (int i = 0; i < 100; ++i) ASSERT_EQ(table.get(i), this->value(i));
    table.put(1000, this->value(second));
  }
  EXPECT_LE(table.size(), 101U);
  EXPECT_EQ(table.stats().expired, 100U);
}

TYPED_TEST(Expiry, IdleTimeGoesOnPastTheEpoch) {
  auto table = this->table({.idle = 1h});
  table.put(1, this->value(1));
  for (int hour = 0; hour < 24 * 40; ++hour) {
    this->clock_.advance(59min);
    table.put(2, this->value(hour));
    ASSERT_EQ(table.get(1), this->value(1)) << "hour " << hour;
  }
  this->clock_.advance(1h);
  EXPECT_EQ(table.get(1), std::nullopt);
}

// --- Reclaiming ---

TYPED_TEST(Expiry, TheDeadCountUntilTheyAreRemoved) {
  auto table = this->table({.ttl = 1s});
  for (int i = 0; i < 10; ++i) table.put(i, this->value(i));
  this->clock_.advance(1s);
  EXPECT_EQ(table.size(), 10U);

  for (int i = 0; i < 4; ++i) EXPECT_EQ(table.get(i), std::nullopt);

  EXPECT_EQ(table.size(), 6U) << "whoever finds one dead removes it";
  EXPECT_EQ(table.stats().expired, 4U);
  EXPECT_EQ(table.stats().misses, 4U);
}

TYPED_TEST(Expiry, CleanupRemovesAllOfTheDeadAndNobodyElse) {
  auto table = this->table({.max_entries = 50'000});
  for (int i = 0; i < 20'000; ++i) table.put(i, this->value(i), {.ttl = 1s});
  for (int i = 20'000; i < 30'000; ++i) table.put(i, this->value(i), {.ttl = 1001ms});
  for (int i = 30'000; i < 40'000; ++i) table.put(i, this->value(i));

  this->clock_.advance(1s);
  table.cleanup();
  EXPECT_EQ(table.size(), 20'000U);
  this->clock_.advance(1ms);
  table.cleanup();
  EXPECT_EQ(table.size(), 10'000U);
  this->clock_.advance(100 * day);
  table.cleanup();

  EXPECT_EQ(table.size(), 10'000U);
  EXPECT_EQ(table.stats().expired, 30'000U);
}

TYPED_TEST(Expiry, CleanupOfATableWithoutDeadlinesDoesNothing) {
  auto table = this->table({});
  table.put(1, this->value(1));
  table.cleanup();
  EXPECT_EQ(table.size(), 1U);
}

TYPED_TEST(Expiry, StoresReclaimTheDeadAFewAtATime) {
  Removals<int, TypeParam> removals;
  auto table =
      this->table({.max_entries = std::nullopt, .on_removal = removals.listener(), .shards = 1});
  for (int i = 0; i < 5000; ++i) table.put(i, this->value(i), {.ttl = 1s});
  this->clock_.advance(10s);

  std::size_t before = 0;
  for (int i = 5000; i < 6000; ++i) {
    table.put(i, this->value(i));
    const std::size_t after = removals.count(Cause::expired);
    ASSERT_LE(after - before, 16U) << "a store has bounded work";
    before = after;
  }

  EXPECT_EQ(before, 5000U);
  EXPECT_EQ(table.size(), 1000U);
}

TYPED_TEST(Expiry, AYearOfSilenceIsCaughtUpWithoutAHitch) {
  Removals<int, TypeParam> removals;
  auto table = this->table({.max_entries = 100, .ttl = 1h, .on_removal = removals.listener()});
  for (int i = 0; i < 50; ++i) table.put(i, this->value(i));

  this->clock_.advance(365 * day);
  table.put(100, this->value(100));

  EXPECT_EQ(table.get(100), this->value(100)) << "the new one lives";
  for (int i = 0; i < 50; ++i) EXPECT_EQ(table.get(i), std::nullopt);
  this->clock_.advance(1h - 1ms);
  EXPECT_EQ(table.get(100), this->value(100));
  this->clock_.advance(1ms);
  EXPECT_EQ(table.get(100), std::nullopt);
}

TYPED_TEST(Expiry, TheListenerHearsThatItExpired) {
  Removals<int, TypeParam> removals;
  auto table = this->table({.ttl = 1s, .on_removal = removals.listener()});
  table.put(1, this->value(10));
  table.put(2, this->value(20));
  this->clock_.advance(1s);

  table.get(1);
  table.cleanup();

  const std::vector<Removal<int, TypeParam>> expected{{1, this->value(10), Cause::expired},
                                                      {2, this->value(20), Cause::expired}};
  EXPECT_EQ(removals.all(), expected);
}

TYPED_TEST(Expiry, SnapshotHasOnlyTheLiving) {
  auto table = this->table({.max_entries = 20'000});
  for (int i = 0; i < 100; ++i) table.put(i, this->value(i), {.ttl = 1s});
  for (int i = 100; i < 130; ++i) table.put(i, this->value(i));
  this->clock_.advance(1s);

  const auto entries = table.snapshot();

  EXPECT_EQ(entries.size(), 30U);
  for (const auto& [key, value] : entries) EXPECT_GE(key, 100);
}

TYPED_TEST(Expiry, AHitStaysValidThoughItExpires) {
  auto table = this->table({.ttl = 1s});
  table.put(1, this->value(1));
  typename TestFixture::Table::Hit hit;
  table.find(1, engine::Hash<int>{}(1), hit);
  ASSERT_TRUE(hit);

  this->clock_.advance(1h);
  table.cleanup();

  EXPECT_EQ(table.size(), 0U);
  EXPECT_EQ(hit.value(), this->value(1));
}

// --- The epoch of ticks moves ---

TYPED_TEST(Expiry, NothingRevivesWhenTheClockJumps) {
  for (const Duration jump : {25 * day, 49 * day, 50 * day, 60 * day, 99 * day, 120 * day}) {
    auto table = this->table({.max_entries = 1000, .shards = 1});
    for (int i = 0; i < 100; ++i) table.put(i, this->value(i), {.ttl = 1h * (i + 1)});
    this->clock_.advance(jump);

    table.put(1000, this->value(1000), {.ttl = 1h});  // Moves the epoch.

    for (int i = 0; i < 100; ++i) ASSERT_EQ(table.get(i), std::nullopt) << i;
    ASSERT_EQ(table.get(1000), this->value(1000));
    this->clock_.advance(1h);
    ASSERT_EQ(table.get(1000), std::nullopt);
  }
}

TYPED_TEST(Expiry, TheLivingStayAliveWhenTheEpochMoves) {
  auto table = this->table({.max_entries = 1000, .shards = 1});
  table.put(0, this->value(0), {.ttl = 1s});
  this->clock_.advance(20 * day);
  for (int i = 1; i <= 20; ++i) table.put(i, this->value(i), {.ttl = i * day});
  table.put(21, this->value(21));
  this->clock_.advance(6 * day);

  table.put(1000, this->value(1000), {.ttl = 1s});

  for (int i = 1; i <= 20; ++i) ASSERT_EQ(table.get(i).has_value(), i > 6) << i;
  for (int today = 7; today <= 20; ++today) {
    this->clock_.advance(1 * day - 1ms);
    ASSERT_TRUE(table.get(today)) << today;
    this->clock_.advance(1ms);
    ASSERT_FALSE(table.get(today)) << today;
  }
  EXPECT_EQ(table.get(21), this->value(21)) << "no deadline, no death";
}

TYPED_TEST(Expiry, ReclaimingGoesOnAfterTheEpochMoved) {
  auto table = this->table({.max_entries = 10'000, .shards = 1});
  table.put(0, this->value(0), {.ttl = 1s});
  this->clock_.advance(30 * day);
  for (int i = 1; i <= 500; ++i) table.put(i, this->value(i), {.ttl = 1min});
  this->clock_.advance(2min);

  for (int i = 0; i < 200; ++i) table.put(5000, this->value(i));

  EXPECT_EQ(table.size(), 1U);
}

// A weigher may store, and so may another thread between another's look at the clock and its store:
// a store with an older reading than the shard has seen already must move no epoch.
TYPED_TEST(Expiry, AStoreThatReadTheClockBeforeTheFirstDeadlineIsHarmless) {
  for (const bool first_is_mortal : {false, true}) {
    std::function<void()> meanwhile;
    auto table = this->table({.max_weight = 1000,
                              .weigher =
                                  [&meanwhile](const int&, const TypeParam&) {
                                    if (meanwhile) std::exchange(meanwhile, nullptr)();
                                    return std::uint64_t{1};
                                  },
                              .shards = 1});
    this->clock_.advance(5 * day);
    meanwhile = [&] {
      this->clock_.advance(5ms);
      table.put(2, this->value(2), {.ttl = 1s});
    };
    table.put(1, this->value(1), first_is_mortal ? PutOptions{.ttl = 1s} : PutOptions{});

    this->clock_.advance(999ms);
    EXPECT_EQ(table.get(2), this->value(2));
    this->clock_.advance(1ms);
    EXPECT_EQ(table.get(2), std::nullopt);
    EXPECT_EQ(table.get(1).has_value(), !first_is_mortal);
    table.put(3, this->value(3), {.ttl = 1s});
    this->clock_.advance(1s);
    EXPECT_EQ(table.get(3), std::nullopt);
  }
}

// --- Everything at once, against a model ---

TYPED_TEST(Expiry, AgreesWithAModelForYears) {
  struct Life {
    int value;
    Duration dies;
  };
  std::mt19937_64 random(42);
  auto table = this->table({.max_entries = std::nullopt, .ttl = 10 * day, .shards = 2});
  std::unordered_map<int, Life> model;
  const Duration spans[] = {1ms, 40ms, 1s, 2s, 70s, 1h, 5h, 2 * day, 23 * day};
  const auto any_span = [&] { return spans[random() % std::size(spans)] * (1 + random() % 2) / 2; };
  const auto up = [](Duration time) { return std::chrono::ceil<std::chrono::milliseconds>(time); };

  for (int i = 0; i < 40'000; ++i) {
    const int key = static_cast<int>(random() % 200);
    const auto now = this->clock_.now();
    const auto found = model.find(key);
    const bool lives = found != model.end() && now / 1ms * 1ms < found->second.dies;
    switch (random() % 8) {
      case 0:
      case 1: {
        const Duration ttl = any_span();
        table.put(key, this->value(i), {.ttl = ttl});
        model[key] = {i, up(now + ttl)};
        break;
      }
      case 2:
        table.put(key, this->value(i));
        model[key] = {i, up(now + 10 * day)};
        break;
      case 3:
        table.erase(key);
        model.erase(key);
        break;
      case 4:
        this->clock_.advance(any_span());
        break;
      case 5:
        if (random() % 100 == 0) table.cleanup();
        break;
      default:
        ASSERT_EQ(table.get(key),
                  lives ? std::optional(this->value(found->second.value)) : std::nullopt)
            << "operation " << i;
    }
  }
}

// --- The clock of the machine ---

TYPED_TEST(Expiry, WorksWithTheMachinesClock) {
  typename TestFixture::Table table({.ttl = 20ms});
  const auto begin = std::chrono::steady_clock::now();
  table.put(1, this->value(1));
  while (table.get(1)) std::this_thread::yield();
  // Upper bounds are for a machine that is not busy; the lower one always holds.
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 10ms);
}

}  // namespace
}  // namespace dcache
