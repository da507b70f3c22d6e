// SPDX-License-Identifier: MIT
// What a table of one thread promises: bounds, verbs, counters, kinds of keys and values.
#include "dcache/memory.hpp"

#include <array>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "support/removals.hpp"
#include "support/tracked.hpp"

namespace dcache {

// A snapshot copies, so a table of what cannot be copied has none; all the rest of it compiles.
template class Memory<std::unique_ptr<int>, std::shared_ptr<const int>>;
template <class Table>
concept HasSnapshot = requires(Table table) { table.snapshot(); };
static_assert(!HasSnapshot<Memory<std::unique_ptr<int>, int>>);
static_assert(HasSnapshot<Memory<std::string, int>>);

namespace {

using testing::Ledger;
using testing::Removal;
using testing::Removals;
using testing::Tracked;

using Numbers = Memory<int, int>;
using Texts = Memory<std::string, std::string>;

template <class Table, class Key>
std::set<Key> keys_of(Table& table) {
  std::set<Key> keys;
  for (const auto& [key, value] : table.snapshot()) keys.insert(key);
  return keys;
}

// --- The verbs ---

TEST(Memory, ReturnsWhatWasPut) {
  Numbers table;
  EXPECT_TRUE(table.put(1, 10));
  EXPECT_TRUE(table.put(2, 20));

  EXPECT_EQ(table.get(1), 10);
  EXPECT_EQ(table.get(2), 20);
  EXPECT_EQ(table.get(3), std::nullopt);
}

TEST(Memory, ReplacesWhatWasThere) {
  Numbers numbers;
  Texts texts;
  for (const int value : {1, 2, 3}) {
    numbers.put(1, value);
    texts.put("one", std::to_string(value));
  }

  EXPECT_EQ(numbers.get(1), 3);
  EXPECT_EQ(numbers.size(), 1U);
  EXPECT_EQ(texts.get("one"), "3");
  EXPECT_EQ(texts.size(), 1U);
}

TEST(Memory, SaysWhetherThereWasSomethingToErase) {
  Texts table;
  table.put("here", "value");

  EXPECT_TRUE(table.erase("here"));
  EXPECT_FALSE(table.erase("here"));
  EXPECT_FALSE(table.erase("never there"));
  EXPECT_EQ(table.get("here"), std::nullopt);
  EXPECT_EQ(table.size(), 0U);
}

TEST(Memory, HasRoomAgainAfterClear) {
  Numbers table({.max_entries = 1000});
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 1000; ++i) table.put(i, i);
    EXPECT_EQ(table.size(), 1000U);

    table.clear();

    EXPECT_EQ(table.size(), 0U);
    for (int i = 0; i < 1000; ++i) ASSERT_EQ(table.get(i), std::nullopt);
  }
  EXPECT_EQ(table.stats().erased, 3000U);
}

TEST(Memory, ClearsAnEmptyTable) {
  Numbers table;
  table.clear();
  EXPECT_EQ(table.size(), 0U);
  EXPECT_EQ(table.stats().erased, 0U);
}

// --- Reading in place ---

TEST(MemoryFind, ReadsInPlaceAndCounts) {
  Texts table;
  table.put("one", "1");

  const auto first = table.find(std::string("one"));
  const auto second = table.find(std::string_view("one"));
  const auto none = table.find("two");

  ASSERT_TRUE(first && second);
  EXPECT_EQ(first.value(), "1");
  EXPECT_EQ(first.key(), "one");
  EXPECT_EQ(&first.value(), &second.value());
  EXPECT_FALSE(none);
  EXPECT_EQ(table.stats().hits, 2U);
  EXPECT_EQ(table.stats().misses, 1U);
}

TEST(MemoryFind, OfNumbersIsACopy) {
  Numbers table;
  table.put(1, 10);
  const auto hit = table.find(1);
  table.put(1, 11);
  EXPECT_EQ(hit.value(), 10);
}

TEST(MemoryFind, KeepsWhatHasLeftTheTableHoweverMuchThatIs) {
  Ledger ledger;
  {
    Memory<int, Tracked> table({.max_entries = 10});
    std::vector<decltype(table)::Hit> hits;
    for (int i = 0; i < 1000; ++i) {
      table.put(i, Tracked(ledger, static_cast<std::uint64_t>(i)));
      hits.push_back(table.find(i));
    }
    EXPECT_EQ(ledger.living(), 1000);
    for (int i = 0; i < 1000; ++i) {
      ASSERT_TRUE(hits[static_cast<std::size_t>(i)]);
      EXPECT_EQ(hits[static_cast<std::size_t>(i)].value().number(), static_cast<std::uint64_t>(i));
    }
    hits.erase(hits.begin(), hits.begin() + 500);
    EXPECT_LE(ledger.living(), 500 + 10);
    hits.clear();
    EXPECT_LE(ledger.living(), 10);
  }
  EXPECT_EQ(ledger.living(), 0);
  EXPECT_EQ(ledger.faults(), 0);
}

TEST(MemoryFind, EndsWhereItsHitGoes) {
  Ledger ledger;
  Memory<int, Tracked> table;
  table.put(1, Tracked(ledger, 1));
  auto hit = table.find(1);
  table.erase(1);
  EXPECT_EQ(ledger.living(), 1);
  std::thread([hit = std::move(hit)] { EXPECT_EQ(hit.value().number(), 1U); }).join();
  EXPECT_FALSE(hit) << "it was moved";  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(ledger.living(), 0);

  table.put(2, Tracked(ledger, 2));
  hit = table.find(2);
  table.clear();
  EXPECT_EQ(ledger.living(), 1);
  hit = {};
  EXPECT_EQ(ledger.living(), 0);
}

TEST(MemoryFind, ReplacingAHitEndsTheOneBefore) {
  Ledger ledger;
  Memory<int, Tracked> table;
  table.put(1, Tracked(ledger, 1));
  table.put(2, Tracked(ledger, 2));
  auto hit = table.find(1);
  auto fresh = table.find(2);
  table.clear();
  EXPECT_EQ(ledger.living(), 2);

  hit = std::move(fresh);
  EXPECT_EQ(ledger.living(), 1);
  EXPECT_EQ(hit.value().number(), 2U);
  EXPECT_FALSE(fresh);  // NOLINT(bugprone-use-after-move)
  auto& same = hit;
  hit = std::move(same);
  EXPECT_EQ(hit.value().number(), 2U);
}

TEST(MemoryFind, OfAPlainEntryIsEmptyOnceItWasMoved) {
  Numbers table;
  table.put(1, 10);
  auto hit = table.find(1);
  const auto moved = std::move(hit);
  EXPECT_EQ(moved.value(), 10);
  EXPECT_FALSE(hit);  // NOLINT(bugprone-use-after-move)
}

template <class Table>
concept ReadsAHitThatEnds = requires(Table table) { table.find(1).value(); };
static_assert(!ReadsAHitThatEnds<Numbers> && !ReadsAHitThatEnds<Memory<int, std::string>>,
              "what it refers to would be gone");

// Of each kind of entry, by one thread alone and by one of several: a newcomer to a full table
// stays only if the policy hears of its hits.
template <class Table, class Make>
void expect_that_looks_tell_the_policy(const Make& make) {
  for (const bool several : {false, true}) {
    Table table({.max_entries = 100, .shards = 1});
    if (several) std::thread([&] { table.clear(); }).join();
    for (int i = 1; i < 200; ++i) table.put(make(i).first, make(i).second);
    table.put(make(0).first, make(0).second);
    for (int i = 200; i < 2000; ++i) {
      ASSERT_EQ(table.get(make(0).first), make(0).second) << i;
      ASSERT_EQ(table.get(make(i).first), std::nullopt);
      table.put(make(i).first, make(i).second);
    }
    EXPECT_EQ(table.stats().hits, 1800U);
    EXPECT_EQ(table.stats().misses, 1800U);
  }
}

TEST(MemoryGet, TellsThePolicyAndCounts) {
  using Large = std::array<int, 20>;
  const auto shared = std::make_shared<const int>(1);
  expect_that_looks_tell_the_policy<Numbers>([](int i) { return std::pair(i, i); });
  expect_that_looks_tell_the_policy<Texts>(
      [](int i) { return std::pair(std::to_string(i), std::to_string(i)); });
  expect_that_looks_tell_the_policy<Memory<std::string, int>>(
      [](int i) { return std::pair(std::to_string(i), i); });
  expect_that_looks_tell_the_policy<Memory<int, Large>>(
      [](int i) { return std::pair(i, Large{i}); });
  expect_that_looks_tell_the_policy<Memory<int, std::shared_ptr<const int>>>(
      [&](int i) { return std::pair(i, shared); });
}

// --- Bounds ---

TEST(Memory, NeverHoldsMoreThanItsEntries) {
  for (const std::size_t most : {1U, 2U, 3U, 10U, 63U, 64U, 65U, 1000U, 10'000U}) {
    for (const Policy policy : {Policy::adaptive, Policy::lru}) {
      Memory<std::uint64_t, std::uint64_t> table({.max_entries = most, .policy = policy});
      for (std::uint64_t i = 0; i < 3 * most + 100; ++i) {
        ASSERT_TRUE(table.put(i, i));
        ASSERT_LE(table.size(), most);
        ASSERT_EQ(table.get(i), i) << "the newest is kept, with " << most << " entries";
      }
      // Keys fall on shards at random; each shard holds its share.
      EXPECT_GE(table.size(), most * 95 / 100);
    }
  }
}

TEST(Memory, HoldsItsBoundWithMoreShardsThanEntries) {
  for (const std::size_t most : {1U, 3U, 20U}) {
    Numbers table({.max_entries = most, .shards = 64});
    for (int i = 0; i < 1000; ++i) table.put(i, i);
    EXPECT_LE(table.size(), most);
  }
}

TEST(Memory, FillsToTheLastEntryWithOneShard) {
  Texts table({.max_entries = 777, .shards = 1});
  for (int i = 0; i < 5000; ++i) table.put(std::to_string(i), "value");
  EXPECT_EQ(table.size(), 777U);
}

TEST(Memory, IsUnboundedIfAskedTo) {
  Numbers table({.max_entries = std::nullopt});
  for (int i = 0; i < 200'000; ++i) table.put(i, -i);

  EXPECT_EQ(table.size(), 200'000U);
  EXPECT_EQ(table.stats().evicted, 0U);
  for (int i = 0; i < 200'000; i += 997) EXPECT_EQ(table.get(i), -i);
}

TEST(Memory, TakesTheLargestNumberAsABound) {
  Numbers table({.max_entries = std::numeric_limits<std::size_t>::max()});
  for (int i = 0; i < 10'000; ++i) table.put(i, i);
  EXPECT_EQ(table.size(), 10'000U);
}

TEST(Memory, DoesNotEvictToReplace) {
  Removals<int, int> removals;
  Numbers table({.max_entries = 10, .on_removal = removals.listener()});
  for (int i = 0; i < 10; ++i) table.put(i, i);
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 10; ++i) table.put(i, i + 100);
  }

  EXPECT_EQ(table.size(), 10U);
  EXPECT_EQ(table.stats().evicted, 0U);
  EXPECT_EQ(removals.count(Cause::replaced), 50U);
  EXPECT_EQ(removals.all().size(), 50U);
}

// --- Weights ---

using Weighed = Memory<int, std::uint64_t>;
using WeighedTexts = Memory<int, std::string>;

MemoryOptions<int, std::uint64_t> by_value(std::uint64_t max_weight) {
  return {.max_entries = std::nullopt,
          .max_weight = max_weight,
          .weigher = [](const int&, const std::uint64_t& value) { return value; }};
}

MemoryOptions<int, std::string> by_length(std::uint64_t max_weight) {
  return {.max_entries = std::nullopt,
          .max_weight = max_weight,
          .weigher = [](const int&, const std::string& value) { return value.size(); }};
}

TEST(MemoryWeight, NeverWeighsMoreThanItsBound) {
  WeighedTexts table(by_length(1000));
  for (int i = 0; i < 2000; ++i) {
    ASSERT_TRUE(table.put(i, std::string(static_cast<std::size_t>(i * 7 % 90), 'x')));
    ASSERT_LE(table.stats().weight, 1000U);
  }
  std::uint64_t sum = 0;
  for (const auto& [key, value] : table.snapshot()) sum += value.size();

  EXPECT_EQ(table.stats().weight, sum);
  EXPECT_GT(sum, 800U);
}

TEST(MemoryWeight, HoldsBothBoundsAtOnce) {
  auto options = by_value(100);
  options.max_entries = 7;
  Weighed table(options);
  for (int i = 0; i < 500; ++i) {
    table.put(i, static_cast<std::uint64_t>(i % 40));
    ASSERT_LE(table.size(), 7U);
    ASSERT_LE(table.stats().weight, 100U);
  }
}

TEST(MemoryWeight, RefusesWhatIsHeavierThanTheWholeTable) {
  Weighed table(by_value(100));
  for (int i = 0; i < 10; ++i) table.put(i, 10);

  EXPECT_FALSE(table.put(10, 101));

  EXPECT_EQ(table.get(10), std::nullopt);
  EXPECT_EQ(table.size(), 10U) << "nobody had to go for it";
  EXPECT_EQ(table.stats().rejected, 1U);
  EXPECT_EQ(table.stats().weight, 100U);
}

TEST(MemoryWeight, KeepsWhatIsAsHeavyAsTheWholeTable) {
  Weighed table(by_value(100));
  for (int i = 0; i < 10; ++i) table.put(i, 10);

  EXPECT_TRUE(table.put(10, 100));

  EXPECT_EQ(table.get(10), 100U);
  EXPECT_EQ(table.size(), 1U);
}

TEST(MemoryWeight, RefusesWeightsBeyond32Bits) {
  Weighed table(by_value(std::numeric_limits<std::uint64_t>::max()));
  EXPECT_TRUE(table.put(1, 0xFFFFFFFFU));
  EXPECT_FALSE(table.put(2, 0x100000000U));
  EXPECT_FALSE(table.put(3, std::numeric_limits<std::uint64_t>::max()));
  EXPECT_EQ(table.stats().weight, 0xFFFFFFFFU);
}

TEST(MemoryWeight, ForgetsTheOldValueWhenTheNewOneIsTooHeavy) {
  Removals<int, std::uint64_t> removals;
  auto options = by_value(100);
  options.on_removal = removals.listener();
  Weighed table(options);
  table.put(1, 50);

  EXPECT_FALSE(table.put(1, 101));

  EXPECT_EQ(table.get(1), std::nullopt) << "an outdated value must not survive";
  EXPECT_EQ(table.stats().weight, 0U);
  EXPECT_EQ(removals.all(), (std::vector<Removal<int, std::uint64_t>>{{1, 50, Cause::replaced}}));
}

TEST(MemoryWeight, ReweighsWhatIsReplaced) {
  Weighed numbers(by_value(100));
  WeighedTexts texts(by_length(100));
  for (const std::size_t weight : {10U, 60U, 1U, 0U, 100U, 0U, 30U}) {
    EXPECT_TRUE(numbers.put(1, weight));
    EXPECT_TRUE(texts.put(1, std::string(weight, 'x')));

    EXPECT_EQ(numbers.stats().weight, weight);
    EXPECT_EQ(texts.stats().weight, weight);
    EXPECT_EQ(texts.get(1)->size(), weight);
  }
}

TEST(MemoryWeight, ReplacingWithWhatFitsEvictsNobody) {
  Removals<int, std::uint64_t> removals;
  auto options = by_value(100);
  options.on_removal = removals.listener();
  Weighed table(options);
  table.put(1, 40);
  table.put(2, 60);

  table.put(2, 60);
  table.put(1, 35);

  EXPECT_EQ(table.get(1), 35U);
  EXPECT_EQ(table.get(2), 60U);
  EXPECT_EQ(table.stats().evicted, 0U);
  EXPECT_EQ(removals.count(Cause::replaced), 2U);
}

TEST(MemoryWeight, EvictsOthersForAHeavierValue) {
  Weighed table(by_value(100));
  for (int i = 0; i < 10; ++i) table.put(i, 10);

  EXPECT_TRUE(table.put(9, 55));

  EXPECT_EQ(table.get(9), 55U);
  EXPECT_LE(table.stats().weight, 100U);
  EXPECT_LE(table.size(), 5U);
}

TEST(MemoryWeight, WeightlessEntriesNeverLeaveForWeight) {
  Weighed table(by_value(100));
  for (int i = 0; i < 50; ++i) table.put(i, 0);
  for (int i = 100; i < 1000; ++i) table.put(i, 30);

  for (int i = 0; i < 50; ++i) EXPECT_EQ(table.get(i), 0U);
}

TEST(MemoryWeight, WeightlessEntriesCountAsEntries) {
  auto options = by_value(100);
  options.max_entries = 10;
  Weighed numbers(options);
  auto text_options = by_length(100);
  text_options.max_entries = 10;
  WeighedTexts texts(text_options);
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(numbers.put(i, 0));
    ASSERT_TRUE(texts.put(i, ""));
    ASSERT_LE(numbers.size(), 10U);
    ASSERT_LE(texts.size(), 10U);
  }
}

TEST(MemoryWeight, WhatGainsWeightCanBeEvicted) {
  Weighed numbers(by_value(100));
  WeighedTexts texts(by_length(100));
  numbers.put(1, 0);
  texts.put(1, "");
  numbers.put(1, 90);
  texts.put(1, std::string(90, 'x'));

  EXPECT_TRUE(numbers.put(2, 90));
  EXPECT_TRUE(texts.put(2, std::string(90, 'y')));

  EXPECT_EQ(numbers.get(1), std::nullopt);
  EXPECT_EQ(texts.get(1), std::nullopt);
}

TEST(MemoryWeight, ResizesAtRunTime) {
  Weighed table(by_value(100));
  for (int i = 0; i < 10; ++i) table.put(i, 10);

  table.resize_weight(35);
  EXPECT_LE(table.stats().weight, 35U);
  EXPECT_EQ(table.size(), 3U);

  table.resize_weight(1000);
  for (int i = 0; i < 90; ++i) table.put(i, 10);
  EXPECT_EQ(table.size(), 90U);
}

TEST(MemoryWeight, ResizeNeedsAWeigherAndMoreThanZero) {
  Numbers unweighed;
  Weighed weighed(by_value(100));
  EXPECT_THROW(unweighed.resize_weight(10), UsageError);
  EXPECT_THROW(weighed.resize_weight(0), ConfigError);
  EXPECT_THROW(weighed.resize(0), ConfigError);
}

TEST(MemoryWeight, IsZeroWithoutAWeigher) {
  Numbers numbers({.max_entries = 5});
  Texts texts({.max_entries = 5});
  for (int i = 0; i < 30; ++i) {
    numbers.put(i % 8, i);
    texts.put(std::to_string(i % 8), "value");
    if (i % 7 == 0) numbers.erase(i % 8);
  }
  EXPECT_EQ(numbers.stats().weight, 0U);
  EXPECT_EQ(texts.stats().weight, 0U);
}

// --- Resize ---

TEST(MemoryResize, KeepsItsContentsWhenItGrows) {
  Texts table({.max_entries = 100});
  for (int i = 0; i < 100; ++i) table.put(std::to_string(i), std::to_string(i));
  const std::size_t before = table.size();

  table.resize(10'000);
  for (int i = 100; i < 9000; ++i) table.put(std::to_string(i), std::to_string(i));

  EXPECT_EQ(table.size(), before + 8900);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(table.get(std::to_string(i)), std::to_string(i));
}

// Past 65,536 slots its index has groups of another kind, and no border of ours falls there.
TEST(MemoryResize, KeepsItsContentsWhenAShardOutgrowsBothItsBoundAndItsIndex) {
  Numbers table({.max_entries = 62'500, .shards = 1});
  table.resize(70'000);
  for (int i = 0; i < 70'000; ++i) table.put(i, -i);

  EXPECT_EQ(table.size(), 70'000U);
  for (int i = 0; i < 70'000; ++i) ASSERT_EQ(table.get(i), -i);
}

TEST(MemoryResize, EvictsAtOnceWhenItShrinks) {
  Removals<int, int> removals;
  Numbers table({.max_entries = 20'000, .on_removal = removals.listener()});
  for (int i = 0; i < 10'000; ++i) table.put(i, i);

  table.resize(100);

  EXPECT_LE(table.size(), 100U);
  EXPECT_GE(table.size(), 90U);
  EXPECT_EQ(removals.count(Cause::evicted) + table.size(), 10'000U);
}

TEST(MemoryResize, HoldsAnyBoundUpAndDown) {
  Numbers table({.max_entries = 50'000});
  int next = 0;
  for (const std::size_t most : {50'000U, 16U, 300U, 17U, 9000U, 64U, 100'000U, 1000U}) {
    table.resize(most);
    for (int i = 0; i < 5000; ++i, ++next) {
      table.put(next, next);
      ASSERT_EQ(table.get(next), next);
    }
    ASSERT_LE(table.size(), most);
  }
}

TEST(MemoryResize, AStepBelowTheNumberOfShardsLeavesOneEntryEach) {
  Numbers table({.max_entries = 1000, .shards = 8});
  for (int i = 0; i < 1000; ++i) table.put(i, i);

  table.resize(1);
  for (int i = 0; i < 1000; ++i) table.put(i, i);

  EXPECT_LE(table.size(), 8U) << "documented: at least one entry a shard";
}

TEST(MemoryResize, OfExactLruLeavesTheNewest) {
  Numbers table({.max_entries = 100, .policy = Policy::lru});
  for (int i = 0; i < 100; ++i) table.put(i, i);
  EXPECT_EQ(table.get(7), 7);

  table.resize(3);

  EXPECT_EQ((keys_of<Numbers, int>(table)), (std::set<int>{7, 98, 99}));
}

// --- Counters ---

TEST(MemoryStats, CountEveryThingExactly) {
  Numbers table({.max_entries = 100});
  for (int i = 0; i < 100; ++i) table.put(i, i);
  for (int i = 0; i < 30; ++i) table.put(i, -i);
  for (int i = 0; i < 250; ++i) table.get(i % 125);
  for (int i = 0; i < 10; ++i) table.erase(i + 95);
  for (int i = 200; i < 250; ++i) table.put(i, i);

  const MemoryStats stats = table.stats();

  EXPECT_EQ(stats.hits, 200U);
  EXPECT_EQ(stats.misses, 50U);
  EXPECT_EQ(stats.inserted, 150U);
  EXPECT_EQ(stats.replaced, 30U);
  EXPECT_EQ(stats.erased, 5U);
  EXPECT_EQ(stats.evicted, 45U);
  EXPECT_EQ(stats.expired, 0U);
  EXPECT_EQ(stats.rejected, 0U);
  EXPECT_EQ(stats.entries, 100U);
  EXPECT_EQ(stats.entries, table.size());
  EXPECT_EQ(stats.hit_ratio(), 0.8);
}

TEST(MemoryStats, HaveNoRatioBeforeTheFirstLookUp) { EXPECT_EQ(Numbers().stats().hit_ratio(), 0); }

TEST(MemoryStats, ErasingAndStoringAreNoLookUps) {
  Texts table;
  table.put("a", "1");
  table.put("a", "2");
  table.erase("a");
  table.erase("a");
  table.clear();
  EXPECT_EQ(table.snapshot().size(), 0U);
  EXPECT_EQ(table.stats().hits + table.stats().misses, 0U);
}

TEST(MemoryStats, ALookUpCanBeMadeThatDoesNotCount) {
  Numbers table;
  table.put(1, 10);
  Numbers::Hit hit;
  Numbers::Hit miss;
  table.find(1, engine::Hash<int>{}(1), hit, false);
  table.find(2, engine::Hash<int>{}(2), miss, false);

  ASSERT_TRUE(hit);
  EXPECT_EQ(hit.value(), 10);
  EXPECT_FALSE(miss);
  EXPECT_EQ(table.stats().hits + table.stats().misses, 0U);
}

// --- Snapshot ---

TEST(MemorySnapshot, HasEveryEntryOnce) {
  Texts table({.max_entries = 20'000});
  std::set<std::string> expected;
  for (int i = 0; i < 20'000; ++i) table.put(std::to_string(i), std::to_string(i));

  std::set<std::string> seen;
  for (const auto& [key, value] : table.snapshot()) {
    EXPECT_EQ(key, value);
    EXPECT_TRUE(seen.insert(key).second) << key << " twice";
  }
  EXPECT_EQ(seen.size(), table.size());
}

TEST(MemorySnapshot, IsWhatForEachVisits) {
  Texts texts({.max_entries = 3000});
  Numbers numbers({.max_entries = 3000});
  for (int i = 0; i < 4000; ++i) {
    texts.put(std::to_string(i), std::to_string(i));
    numbers.put(i, i);
  }

  const auto check = [](auto& table) {
    using Entry = typename decltype(table.snapshot())::value_type;
    std::set<Entry> visited;
    table.for_each([&](const auto& key, const auto& value) {
      EXPECT_TRUE(visited.emplace(key, value).second) << key << " twice";
    });
    const auto snapshot = table.snapshot();
    EXPECT_EQ(visited, std::set<Entry>(snapshot.begin(), snapshot.end()));
  };
  check(texts);
  check(numbers);
}

TEST(MemorySnapshot, OfExactLruIsNewestFirst) {
  Numbers table({.max_entries = 5, .policy = Policy::lru});
  for (int i = 0; i < 5; ++i) table.put(i, i * 10);
  table.get(1);
  table.get(3);

  const std::vector<std::pair<int, int>> expected{{3, 30}, {1, 10}, {4, 40}, {2, 20}, {0, 0}};
  EXPECT_EQ(table.snapshot(), expected);
}

TEST(MemorySnapshot, HasTheHottestFirst) {
  Numbers table({.max_entries = 1000, .shards = 1});
  for (int i = 0; i < 1000; ++i) table.put(i, i);
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 50; ++i) table.get(i);
    for (int i = 0; i < 100; ++i) {
      const int cold = 1000 + round * 100 + i;
      if (!table.get(cold)) table.put(cold, cold);
    }
  }

  int hot = 0;
  for (const auto& [key, value] : table.snapshot(60)) hot += key < 50 ? 1 : 0;
  EXPECT_GE(hot, 45);
}

TEST(MemorySnapshot, StopsAtItsLimit) {
  Numbers table({.max_entries = 100'000});
  for (int i = 0; i < 20'000; ++i) table.put(i, i);

  EXPECT_EQ(table.snapshot(0).size(), 0U);
  EXPECT_EQ(table.snapshot(1).size(), 1U);
  EXPECT_EQ(table.snapshot(777).size(), 777U);
  EXPECT_EQ(table.snapshot(1'000'000).size(), 20'000U);
}

// --- The listener ---

TEST(MemoryListener, HearsEachRemovalWithItsCause) {
  Removals<std::string, std::string> removals;
  Texts table({.max_entries = 2, .on_removal = removals.listener(), .policy = Policy::lru});
  table.put("a", "1");
  table.put("a", "2");
  table.put("b", "3");
  table.put("c", "4");
  table.erase("b");
  table.clear();

  const std::vector<Removal<std::string, std::string>> expected{{"a", "1", Cause::replaced},
                                                                {"a", "2", Cause::evicted},
                                                                {"b", "3", Cause::erased},
                                                                {"c", "4", Cause::erased}};
  EXPECT_EQ(removals.all(), expected);
}

TEST(MemoryListener, HearsOfPlainEntriesToo) {
  Removals<int, int> removals;
  Numbers table({.max_entries = 2, .on_removal = removals.listener(), .policy = Policy::lru});
  table.put(1, 1);
  table.put(1, 2);
  table.put(2, 3);
  table.put(3, 4);
  table.erase(2);
  table.clear();

  const std::vector<Removal<int, int>> expected{{1, 1, Cause::replaced},
                                                {1, 2, Cause::evicted},
                                                {2, 3, Cause::erased},
                                                {3, 4, Cause::erased}};
  EXPECT_EQ(removals.all(), expected);
}

TEST(MemoryListener, HearsOnceOfEachPlainEntryThatManyLeaveWith) {
  std::map<std::pair<int, Cause>, int> heard;
  Memory<int, int> table({.max_entries = 1000,
                          .on_removal =
                              [&](int key, int value, Cause cause) {
                                EXPECT_EQ(value, key + 1);
                                ++heard[{key, cause}];
                              },
                          .shards = 1});
  for (int i = 0; i < 1000; ++i) table.put(i, i + 1);

  table.resize(600);
  table.clear();

  EXPECT_EQ(table.size(), 0U);
  ASSERT_EQ(heard.size(), 1000U);
  std::map<Cause, int> causes;
  for (const auto& [key_and_cause, times] : heard) {
    EXPECT_EQ(times, 1) << key_and_cause.first;
    ++causes[key_and_cause.second];
  }
  EXPECT_EQ(causes, (std::map<Cause, int>{{Cause::evicted, 400}, {Cause::erased, 600}}));
}

TEST(MemoryListener, HearsNothingOfTheEndOfTheTable) {
  Removals<int, int> removals;
  {
    Numbers table({.on_removal = removals.listener()});
    table.put(1, 1);
  }
  EXPECT_EQ(removals.all().size(), 0U) << "the entries do not leave the table, it leaves";
}

// --- Kinds of keys ---

TEST(MemoryKeys, TextIsLookedUpByWhateverHoldsText) {
  Memory<std::string, int> table;
  table.put("key", 1);
  const std::string_view view("key and more", 3);

  EXPECT_EQ(table.get(view), 1);
  EXPECT_EQ(table.get("key"), 1);
  EXPECT_EQ(table.get(std::string("key")), 1);
  EXPECT_EQ(table.get(std::string_view("key and more")), std::nullopt);
  EXPECT_TRUE(table.erase(view));
}

TEST(MemoryKeys, TextOfAnyLengthAndContent) {
  Memory<std::string, std::size_t> table({.max_entries = 1000});
  for (std::size_t length = 0; length < 300; ++length) table.put(std::string(length, '\0'), length);
  for (std::size_t length = 0; length < 300; ++length) {
    EXPECT_EQ(table.get(std::string(length, '\0')), length);
  }
}

TEST(MemoryKeys, TextOfAnyLengthLeavesAndComesBack) {
  const auto text = [](std::size_t i) { return std::to_string(i) + std::string(i % 40, 'x'); };
  Memory<std::string, std::size_t> table({.max_entries = 200});
  for (std::size_t round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < 2000; ++i) {
      ASSERT_TRUE(table.put(text(i), i));
      ASSERT_EQ(table.get(text(i)), i);
    }
    EXPECT_LE(table.size(), 200U);
  }
  for (const auto& [key, value] : table.snapshot()) {
    EXPECT_EQ(key, text(value));
    EXPECT_TRUE(table.erase(key));
  }
  EXPECT_EQ(table.size(), 0U);
}

TEST(MemoryKeys, AreCopiedOrMovedInAsTheyAreGiven) {
  Memory<std::string, int> table;
  std::string key(100, 'k');
  EXPECT_TRUE(table.put(key, 1));
  EXPECT_EQ(key, std::string(100, 'k')) << "a copy was taken";
  EXPECT_TRUE(table.put(std::move(key), 2));
  EXPECT_EQ(table.get(std::string(100, 'k')), 2);
  EXPECT_EQ(table.size(), 1U);

  struct Boxed {  // Copying is the user's code.
    std::string text;
    explicit Boxed(std::string from) : text(std::move(from)) {}
    Boxed(const Boxed& other) : text(other.text + "'") {}
    Boxed& operator=(const Boxed&) = delete;
    bool operator==(const Boxed& other) const { return text.front() == other.text.front(); }
  };
  struct FrontHash {
    std::uint64_t operator()(const Boxed& boxed) const {
      return engine::Hash<char>{}(boxed.text.front());
    }
  };
  Memory<Boxed, int, FrontHash> boxed;
  const Boxed mine("a");
  EXPECT_TRUE(boxed.put(mine, 1));
  EXPECT_EQ(mine.text, "a");
  EXPECT_EQ(boxed.get(mine), 1);

  Memory<std::unique_ptr<int>, int> moved;
  EXPECT_TRUE(moved.put(std::make_unique<int>(3), 3)) << "a key that cannot be copied";
}

TEST(MemoryKeys, ANumberIsFoundByAnyTypeThatPutTakes) {
  Memory<std::uint64_t, int> wide;
  wide.put(1, 10);
  EXPECT_EQ(wide.get(1), 10);
  EXPECT_EQ(wide.get(1U), 10);

  Memory<float, int> fractions;
  fractions.put(0.1F, 10);
  EXPECT_EQ(fractions.get(0.1F), 10);

  Memory<short, int> narrow;
  narrow.put(-1, 10);
  EXPECT_EQ(narrow.get(static_cast<short>(-1)), 10);
}

TEST(MemoryKeys, ZerosDifferAndNaNIsOne) {
  Memory<double, int> table;
  table.put(0.0, 1);
  table.put(-0.0, 2);
  table.put(std::nan("1"), 3);

  EXPECT_EQ(table.get(0.0), 1);
  EXPECT_EQ(table.get(-0.0), 2);
  EXPECT_EQ(table.get(std::numeric_limits<double>::quiet_NaN()), 3);
  EXPECT_EQ(table.size(), 3U);
  EXPECT_TRUE(table.erase(-std::numeric_limits<double>::quiet_NaN()));
}

TEST(MemoryKeys, LongDoublesGoByContent) {
  Memory<long double, long double> table;
  table.put(0.0L, 1.0L);
  table.put(-0.0L, 2.0L);
  table.put(1.0L / 3, 3.0L);

  EXPECT_EQ(table.get(0.0L), 1.0L);
  EXPECT_EQ(table.get(-0.0L), 2.0L);
  EXPECT_EQ(table.get(1.0L / 3), 3.0L);
}

TEST(MemoryKeys, TuplesPairsAndContainers) {
  Memory<std::tuple<int, std::string, double>, int> tuples;
  tuples.put({1, "a", 0.0}, 1);
  tuples.put({1, "a", -0.0}, 2);
  EXPECT_EQ(tuples.get(std::tuple(1, std::string("a"), 0.0)), 1);
  EXPECT_EQ(tuples.get(std::tuple(1, std::string_view("a"), -0.0)), 2);
  EXPECT_EQ(tuples.get(std::tuple(2, std::string("a"), 0.0)), std::nullopt);

  Memory<std::pair<int, int>, int> pairs;
  pairs.put({1, 2}, 12);
  EXPECT_EQ(pairs.get(std::pair(1, 2)), 12);
  EXPECT_EQ(pairs.get(std::pair(2, 1)), std::nullopt);

  Memory<std::array<int, 3>, int> arrays;
  arrays.put({1, 2, 3}, 123);
  EXPECT_EQ(arrays.get(std::array{1, 2, 3}), 123);
  EXPECT_EQ(arrays.get(std::array{3, 2, 1}), std::nullopt);

  Memory<std::vector<std::string>, int> lists;
  lists.put({"a", "b"}, 1);
  lists.put({"ab"}, 2);
  EXPECT_EQ(lists.get(std::vector<std::string>{"a", "b"}), 1);
  EXPECT_EQ(lists.get(std::vector<std::string>{"ab"}), 2);

  Memory<std::optional<int>, int> maybes;
  maybes.put(std::nullopt, 1);
  maybes.put(0, 2);
  EXPECT_EQ(maybes.get(std::optional<int>()), 1);
  EXPECT_EQ(maybes.get(std::optional<int>(0)), 2);

  Memory<std::variant<int, std::string>, int> either;
  either.put(1, 1);
  either.put("1", 2);
  EXPECT_EQ(either.get(std::variant<int, std::string>(1)), 1);
  EXPECT_EQ(either.get(std::variant<int, std::string>("1")), 2);
}

enum class Color : std::uint8_t { red, green };

TEST(MemoryKeys, SmallOnes) {
  Memory<bool, char> bools;
  bools.put(true, 't');
  bools.put(false, 'f');
  EXPECT_EQ(bools.get(true), 't');
  EXPECT_EQ(bools.get(false), 'f');

  Memory<char, bool> chars({.max_entries = 300});
  for (int i = 0; i < 256; ++i) chars.put(static_cast<char>(i), i % 3 == 0);
  for (int i = 0; i < 256; ++i) EXPECT_EQ(chars.get(static_cast<char>(i)), i % 3 == 0);

  Memory<Color, int> colors;
  colors.put(Color::green, 2);
  EXPECT_EQ(colors.get(Color::green), 2);
  EXPECT_EQ(colors.get(Color::red), std::nullopt);

  Memory<std::uint16_t, std::array<char, 3>> odd({.max_entries = 70'000});
  for (unsigned i = 0; i < 65'536; ++i) {
    odd.put(static_cast<std::uint16_t>(i), {static_cast<char>(i), static_cast<char>(i >> 8U), 'x'});
  }
  for (unsigned i = 0; i < 65'536; ++i) {
    const std::array<char, 3> expected{static_cast<char>(i), static_cast<char>(i >> 8U), 'x'};
    ASSERT_EQ(odd.get(static_cast<std::uint16_t>(i)), expected);
  }
}

// --- Kinds of values ---

TEST(MemoryValues, WhatCannotBeCopiedIsReadThroughAHit) {
  Memory<int, std::unique_ptr<int>> table;
  EXPECT_TRUE(table.put(1, std::make_unique<int>(10)));

  const auto hit = table.find(1);

  ASSERT_TRUE(hit);
  EXPECT_EQ(*hit.value(), 10);
  EXPECT_TRUE(table.erase(1));
  EXPECT_EQ(*hit.value(), 10) << "valid while the hit lives";
}

// Neither default-constructible nor assignable.
struct Fixed {
  explicit Fixed(int n) : number(n) {}
  Fixed(const Fixed&) = default;
  Fixed& operator=(const Fixed&) = delete;
  const int number;
  friend bool operator==(const Fixed&, const Fixed&) = default;
};
static_assert(std::is_trivially_copyable_v<Fixed>);

struct FixedText {
  explicit FixedText(std::string t) : text(std::move(t)) {}
  FixedText(const FixedText&) = default;
  FixedText& operator=(const FixedText&) = delete;
  const std::string text;
  friend bool operator==(const FixedText&, const FixedText&) = default;
};

struct HashFixed {
  std::uint64_t operator()(const Fixed& key) const { return engine::Hash<int>{}(key.number); }
  std::uint64_t operator()(const FixedText& key) const {
    return engine::Hash<std::string>{}(key.text);
  }
};

TEST(MemoryValues, NeedNeitherDefaultNorAssignment) {
  Memory<int, Fixed> plain;
  plain.put(1, Fixed(1));
  plain.put(1, Fixed(10));
  EXPECT_EQ(plain.get(1), Fixed(10));

  Memory<Fixed, FixedText, HashFixed> keys;
  keys.put(Fixed(1), FixedText("one"));
  EXPECT_EQ(keys.get(Fixed(1)), FixedText("one"));

  Memory<FixedText, Fixed, HashFixed> texts;
  texts.put(FixedText("one"), Fixed(1));
  EXPECT_EQ(texts.get(FixedText("one")), Fixed(1));
  EXPECT_EQ(texts.snapshot().size(), 1U);
}

// Trivially copyable as the language counts it, and yet nobody may copy it.
struct Ticket {
  explicit Ticket(int n) : number(n) {}
  Ticket(Ticket&&) = default;
  Ticket& operator=(Ticket&&) = default;
  int number;
};
static_assert(std::is_trivially_copyable_v<Ticket> && !std::copy_constructible<Ticket>);

TEST(MemoryValues, MayBeTrivialAndYetMoveOnly) {
  Memory<int, Ticket> table;
  table.put(1, Ticket(10));
  const auto hit = table.find(1);
  ASSERT_TRUE(hit);
  EXPECT_EQ(hit.value().number, 10);
}

struct alignas(64) Wide {
  std::uint64_t number;
};
struct alignas(32) Half {
  std::uint64_t number;
};
struct alignas(128) WideText {
  std::string text;
};

template <class T>
bool aligned(const T& object) {
  return reinterpret_cast<std::uintptr_t>(&object) % alignof(T) == 0;
}

TEST(MemoryValues, MayBeOverAligned) {
  Memory<std::uint64_t, Wide> wide({.max_entries = 1000});
  Memory<std::uint64_t, Half> half({.max_entries = 1000});
  Memory<std::uint64_t, WideText> text({.max_entries = 1000});
  for (std::uint64_t i = 0; i < 1000; ++i) {
    wide.put(i, {i});
    half.put(i, {i});
    text.put(i, {std::to_string(i)});
  }
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const auto wide_hit = wide.find(i);
    const auto half_hit = half.find(i);
    const auto text_hit = text.find(i);
    ASSERT_TRUE(wide_hit && half_hit && text_hit);
    EXPECT_TRUE(aligned(wide_hit.value()) && wide_hit.value().number == i);
    EXPECT_TRUE(aligned(half_hit.value()) && half_hit.value().number == i);
    EXPECT_TRUE(aligned(text_hit.value()) && text_hit.value().text == std::to_string(i));
  }
}

TEST(MemoryValues, MayBeLargeAndTrivial) {
  using Block = std::array<std::uint64_t, 64>;
  Memory<int, Block> table({.max_entries = 100});
  for (int i = 0; i < 300; ++i) {
    Block block{};
    block.fill(static_cast<std::uint64_t>(i));
    table.put(i, block);
  }
  for (int i = 0; i < 300; ++i) {
    const auto block = table.get(i);
    if (!block) continue;
    for (const auto word : *block) ASSERT_EQ(word, static_cast<std::uint64_t>(i));
  }
  EXPECT_EQ(table.size(), 100U);
}

struct Nothing {
  friend bool operator==(const Nothing&, const Nothing&) = default;
};

TEST(MemoryValues, MayBeEmpty) {
  Memory<int, Nothing> seen({.max_entries = 10});
  seen.put(1, {});
  EXPECT_EQ(seen.get(1), Nothing{});
  EXPECT_EQ(seen.get(2), std::nullopt);
}

TEST(MemoryValues, MayBePointersAndShared) {
  int target = 0;
  Memory<int, int*> pointers;
  pointers.put(1, &target);
  EXPECT_EQ(pointers.get(1), &target);

  Memory<int, std::shared_ptr<const std::string>> shared;
  auto text = std::make_shared<const std::string>("text");
  shared.put(1, text);
  EXPECT_EQ(shared.get(1)->get(), text.get());
  EXPECT_EQ(text.use_count(), 2);
  shared.erase(1);
  EXPECT_EQ(text.use_count(), 1) << "an erased value is let go at once";
}

TEST(MemoryValues, MayBeNullPointers) {
  Memory<int, std::shared_ptr<int>> table({.max_entries = 3, .shards = 1});
  for (int key = 0; key < 10; ++key) table.put(key, nullptr);
  EXPECT_EQ(table.get(9), std::shared_ptr<int>());
}

struct Constants {
  static const int five = 5;  // Declared, not defined: it has no address.
};

TEST(MemoryValues, MayBeNumbersWithoutAnAddress) {
  Numbers table;
  table.put(1, Constants::five);
  volatile int seven = 7;
  table.put(2, seven);
  EXPECT_EQ(table.get(1), 5);
  EXPECT_EQ(table.get(2), 7);
}

TEST(MemoryValues, AreCopiedOrMovedInAsTheyAreGiven) {
  Memory<int, std::shared_ptr<int>> table;
  auto value = std::make_shared<int>(1);
  const auto constant = value;
  table.put(1, value);
  table.put(2, constant);
  EXPECT_EQ(value.use_count(), 4);
  table.put(3, std::move(value));
  EXPECT_EQ(constant.use_count(), 4);
  table.put(4, {});
  EXPECT_EQ(table.get(4), std::shared_ptr<int>());
}

struct Chain {
  std::shared_ptr<Chain> next;
};

// The put evicts the entry that alone keeps what is put.
TEST(MemoryValues, MayBePartsOfWhatLeavesForThem) {
  using Table = Memory<int, std::shared_ptr<Chain>>;
  Table table(
      {.max_weight = 1, .weigher = [](const int&, const auto&) { return 1U; }, .shards = 1});
  Chain* first = nullptr;
  {
    auto chain = std::make_shared<Chain>(Chain{std::make_shared<Chain>()});
    first = chain.get();
    table.put(1, std::move(chain));
  }
  table.put(2, std::move(first->next));
  const auto found = table.get(2);
  EXPECT_TRUE(found && *found);
}

TEST(MemoryValues, AreSafeFromAListenerThatDropsTheOriginal) {
  auto value = std::make_shared<int>(5);
  Memory<int, std::shared_ptr<int>> table({.max_weight = 1,
                                           .weigher = [](const int&, const auto&) { return 1U; },
                                           .on_removal = [&](auto&&...) { value.reset(); },
                                           .shards = 1});
  table.put(1, std::make_shared<int>(1));
  table.put(2, std::move(value));
  const auto found = table.get(2);
  EXPECT_TRUE(found && *found);
}

TEST(MemoryValues, MayBeOptionalThemselves) {
  Memory<int, std::optional<int>> table;
  table.put(1, std::nullopt);
  const auto found = table.get(1);
  ASSERT_TRUE(found.has_value());
  EXPECT_FALSE(found->has_value());
}

TEST(MemoryValues, AreAllDestroyedWithTheTable) {
  const auto value = std::make_shared<int>(1);
  {
    Memory<int, std::shared_ptr<int>> table({.max_entries = 100});
    for (int i = 0; i < 1000; ++i) table.put(i % 150, value);
    EXPECT_EQ(value.use_count(), 101);
  }
  EXPECT_EQ(value.use_count(), 1);
}

// --- Options that can never work ---

template <class Options>
std::string complaint(const Options& options) {
  try {
    const Memory<int, int> table(options);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST(MemoryOptions, TheErrorSaysWhatToDo) {
  using Options = Memory<int, int>::Options;
  const auto weigher = [](int, int) { return std::uint64_t{1}; };
  const auto says = [](const std::string& text, const char* what, const char* advice) {
    return text.find(what) != text.npos && text.find(advice) != text.npos;
  };

  EXPECT_PRED3(says, complaint(Options{.max_entries = 0}), "max_entries", "nullopt");
  EXPECT_PRED3(says, complaint(Options{.max_weight = 0, .weigher = weigher}), "max_weight",
               "at least 1");
  EXPECT_PRED3(says, complaint(Options{.max_weight = 5}), "max_weight", "needs a weigher");
  EXPECT_PRED3(says, complaint(Options{.weigher = weigher}), "weigher", "set max_weight");
  EXPECT_PRED3(says, complaint(Options{.ttl = Duration(0)}), "ttl", "leave it out");
  EXPECT_PRED3(says, complaint(Options{.ttl = Duration(-1)}), "not -1 ns", "leave it out");
  EXPECT_PRED3(says, complaint(Options{.idle = Duration(0)}), "idle", "leave it out");
  EXPECT_PRED3(says, complaint(Options{.shards = 0}), "shards", "1 to 64");
  EXPECT_PRED3(says, complaint(Options{.shards = 65}), "shards", "1 to 64");
}

TEST(MemoryOptions, AnEntrysOwnTtlIsChecked) {
  Numbers table;
  EXPECT_THROW(table.put(1, 1, {.ttl = Duration(0)}), ConfigError);
  EXPECT_THROW(table.put(1, 1, {.ttl = Duration(-1)}), ConfigError);
  EXPECT_EQ(table.size(), 0U);
}

TEST(MemoryOptions, ShardsAreRoundedDown) {
  for (const unsigned shards : {1U, 2U, 3U, 7U, 33U, 64U}) {
    Numbers table({.max_entries = 6400, .shards = shards});
    for (int i = 0; i < 6400; ++i) table.put(i, i);
    EXPECT_LE(table.size(), 6400U);
    EXPECT_GE(table.size(), 5800U);
  }
}

}  // namespace
}  // namespace dcache
