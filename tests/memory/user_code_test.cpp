// SPDX-License-Identifier: MIT
// User code in a table: it may throw, may call back, and never runs while a lock is held.
#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "dcache/memory.hpp"
#include "support/removals.hpp"
#include "support/tracked.hpp"

namespace dcache {
namespace {

using testing::Ledger;
using testing::Removals;
using testing::Tracked;

enum class Where : std::uint8_t { hash, equal, copy, move, destroy, weigh, listen };

// Called wherever user code runs; set by a test. Not called by what it does itself.
thread_local std::function<void(Where)> hook;

void visit(Where where) {
  if (!hook) return;
  auto mine = std::exchange(hook, nullptr);
  struct Restore {
    std::function<void(Where)>& saved;
    ~Restore() { hook = std::move(saved); }
  } const restore{mine};
  mine(where);
}

class ScopedHook {
 public:
  explicit ScopedHook(std::function<void(Where)> run) { hook = std::move(run); }
  ~ScopedHook() { hook = nullptr; }
  ScopedHook(const ScopedHook&) = delete;
  ScopedHook& operator=(const ScopedHook&) = delete;
};

struct Key {
  int number;
  int group = number;  // Keys of one group have the same hash.
};

struct HashKey {
  std::uint64_t operator()(const Key& key) const {
    visit(Where::hash);
    return engine::Hash<int>{}(key.group);
  }
};

struct SameKey {
  bool operator()(const Key& a, const Key& b) const {
    visit(Where::equal);
    return a.number == b.number;
  }
};

class Value {
 public:
  explicit Value(int number) : number_(number) {}
  Value(const Value& other) : number_(other.number_) { visit(Where::copy); }
  Value(Value&& other) : number_(other.number_) { visit(Where::move); }
  Value& operator=(const Value&) = default;
  ~Value() { visit(Where::destroy); }
  int number() const { return number_; }

 private:
  int number_;
};

using Table = Memory<Key, Value, HashKey, SameKey>;

Table::Options hooked(std::size_t max_entries, bool weighed) {
  Table::Options options{.max_entries = max_entries, .shards = 1};
  options.on_removal = [](const Key&, const Value&, Cause) { visit(Where::listen); };
  if (weighed) {
    options.max_weight = max_entries;
    options.weigher = [](const Key&, const Value&) {
      visit(Where::weigh);
      return std::uint64_t{1};
    };
  }
  return options;
}

std::optional<int> number_of(Table& table, int key) {
  const auto value = table.get(Key{key});
  return value ? std::optional(value->number()) : std::nullopt;
}

// Every verb once: on a table with keys 0 to 9, where the last put replaces and one evicts.
void use_every_verb(Table& table) {
  table.get(Key{1});
  table.get(Key{99});
  table.put(Key{1}, Value(1));
  table.put(Key{50}, Value(50));
  table.erase(Key{2});
  table.snapshot();
  table.stats();
  table.size();
  table.resize(10);
  table.cleanup();
}

// --- It throws ---

struct Oops : std::runtime_error {
  Oops() : std::runtime_error("oops") {}
};

class Throwing : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Weighed, Throwing, ::testing::Bool());

TEST_P(Throwing, FromAnyOfItLeavesTheTableAsItWas) {
  const auto act = [](Table& table, int verb) {
    switch (verb) {
      case 0:
        return static_cast<void>(table.get(Key{3}));
      case 1:
        return static_cast<void>(table.put(Key{3}, Value(-3)));
      case 2:
        return static_cast<void>(table.put(Key{77}, Value(77)));
      case 3:
        return static_cast<void>(table.erase(Key{3}));
      default:
        return static_cast<void>(table.snapshot());
    }
  };
  for (const Where where : {Where::hash, Where::equal, Where::copy, Where::move, Where::weigh}) {
    for (int verb = 0; verb < 5; ++verb) {
      Table table(hooked(10, GetParam()));
      for (int i = 0; i < 10; ++i) table.put(Key{i}, Value(i));
      const auto before = table.stats();
      bool threw = false;
      try {
        const ScopedHook scoped([&](Where here) {
          if (here == where) throw Oops();
        });
        act(table, verb);
      } catch (const Oops&) {
        threw = true;
      }
      if (!threw) continue;

      const auto after = table.stats();
      EXPECT_EQ(after.entries, before.entries);
      EXPECT_EQ(after.weight, before.weight);
      EXPECT_EQ(after.evicted + after.erased + after.replaced, 0U);
      for (int i = 0; i < 10; ++i) EXPECT_EQ(number_of(table, i), i) << "verb " << verb;
      act(table, verb);  // The lock is free, the shard whole.
    }
  }
}

TEST(UserCode, WhatTheListenerThrowsIsCountedAndGoesNoFurther) {
  Table table(hooked(2, false));
  const ScopedHook scoped([](Where where) {
    if (where == Where::listen) throw Oops();
  });
  for (int i = 0; i < 10; ++i) EXPECT_NO_THROW(table.put(Key{i}, Value(i)));
  EXPECT_NO_THROW(table.clear());

  EXPECT_EQ(table.stats().listener_errors, 10U);
  EXPECT_EQ(table.size(), 0U);
}

// --- It calls back ---

class CallingBack : public ::testing::TestWithParam<Where> {};
INSTANTIATE_TEST_SUITE_P(From, CallingBack,
                         ::testing::Values(Where::hash, Where::equal, Where::copy, Where::move,
                                           Where::destroy, Where::weigh, Where::listen));

TEST_P(CallingBack, EveryVerbMayBeUsed) {
  Table table(hooked(10, true));
  for (int i = 0; i < 10; ++i) table.put(Key{i}, Value(i));
  int calls = 0;
  {
    const ScopedHook scoped([&](Where where) {
      if (where != GetParam()) return;
      ++calls;
      use_every_verb(table);
    });
    use_every_verb(table);
    table.clear();
    use_every_verb(table);
  }
  EXPECT_GT(calls, 0);
  EXPECT_LE(table.size(), 10U);
  EXPECT_EQ(table.stats().weight, table.size());
  EXPECT_EQ(table.snapshot().size(), table.size());
}

TEST_P(CallingBack, TheTableMayBeClearedUnderOnesFeet) {
  Table table(hooked(10, true));
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 10; ++i) table.put(Key{i}, Value(i));
    const ScopedHook scoped([&](Where where) {
      if (where == GetParam()) table.clear();
    });
    use_every_verb(table);
  }
  table.clear();
  EXPECT_EQ(table.size(), 0U);
  EXPECT_EQ(table.stats().weight, 0U);
}

// Another thread can use the same shard to the end while user code runs, so no lock is held.
TEST_P(CallingBack, NoLockIsHeld) {
  Table table(hooked(10, true));
  for (int i = 0; i < 10; ++i) table.put(Key{i}, Value(i));
  int calls = 0;
  {
    const ScopedHook scoped([&](Where where) {
      if (where != GetParam()) return;
      ++calls;
      std::thread([&table] { use_every_verb(table); }).join();
    });
    use_every_verb(table);
    table.clear();
  }
  EXPECT_GT(calls, 0);
}

TEST(UserCode, AListenerThatStoresAnewDoesNotKeepClearForEver) {
  Memory<int, int>* self = nullptr;
  Memory<int, int> table({.max_entries = 2000,
                          .on_removal =
                              [&self](int key, int value, Cause cause) {
                                if (cause == Cause::erased) self->put(key, value + 1);
                              },
                          .shards = 1});
  self = &table;
  for (int i = 0; i < 1000; ++i) table.put(i, 0);

  table.clear();

  EXPECT_EQ(table.size(), 1000U);
  EXPECT_EQ(table.get(5), 1);
}

TEST(UserCode, AListenerThatStoresMoreThanLeftDoesNotKeepClearForEver) {
  Memory<int, int>* self = nullptr;
  int next = 1000;
  Memory<int, int> table({.max_entries = std::nullopt, .on_removal = [&](int, int, Cause) {
                            for (int more = 0; more < 2; ++more) self->put(next++, 0);
                          }});
  self = &table;
  for (int i = 0; i < 1000; ++i) table.put(i, 0);

  table.clear();

  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(table.get(i)) << i;
}

// --- Keys of one hash ---

TEST(UserCode, KeysOfOneHashAreToldApart) {
  Table table({.max_entries = 1000, .shards = 1});
  for (int i = 0; i < 200; ++i) EXPECT_TRUE(table.put(Key{i, 7}, Value(i)));
  for (int i = 0; i < 200; ++i) EXPECT_TRUE(table.put(Key{i, 7}, Value(-i)));

  EXPECT_EQ(table.size(), 200U);
  for (int i = 0; i < 200; ++i) {
    const auto value = table.get(Key{i, 7});
    ASSERT_TRUE(value) << i;
    EXPECT_EQ(value->number(), -i);
  }
  for (int i = 199; i >= 0; --i) EXPECT_TRUE(table.erase(Key{i, 7})) << i;
  EXPECT_EQ(table.size(), 0U);
}

TEST(UserCode, EqualityThatAlwaysChangesTheTableComesToAnEnd) {
  Table table({.max_entries = 100, .shards = 1});
  table.put(Key{1, 7}, Value(1));
  int next = 1000;
  const ScopedHook scoped([&](Where where) {
    if (where == Where::equal) table.put(Key{next++, 8}, Value(0));
  });

  EXPECT_TRUE(table.get(Key{1, 7}));
  EXPECT_FALSE(table.get(Key{2, 7}));
  EXPECT_TRUE(table.put(Key{2, 7}, Value(2)));
}

TEST(UserCode, WhatEqualityStoresMeanwhileIsSeen) {
  Table table({.max_entries = 100, .shards = 1});
  table.put(Key{1, 7}, Value(1));
  bool stored = false;
  const ScopedHook scoped([&](Where where) {
    if (where != Where::equal || std::exchange(stored, true)) return;
    table.put(Key{2, 7}, Value(20));
  });

  EXPECT_TRUE(table.put(Key{2, 7}, Value(21)));

  EXPECT_EQ(table.size(), 2U) << "one entry a key";
  EXPECT_EQ(table.get(Key{2, 7})->number(), 21);
}

// --- Equality of enumerations ---

enum class Level : std::uint8_t { low, high };
std::function<void()> comparing;  // NOLINT(cert-err58-cpp)
bool operator==(Level a, Level b) {
  if (comparing) comparing();
  return static_cast<int>(a) == static_cast<int>(b);
}

template <class Key>
void expect_equality_may_use_the_table(const Key& key, const Key& other) {
  Memory<Key, int> table({.shards = 1});
  table.put(key, 1);
  int compared = 0;
  comparing = [&] {
    if (compared++ == 0) table.put(other, 2);
  };
  table.put(key, 3);
  EXPECT_EQ(table.get(key), 3);
  EXPECT_GT(compared, 0);

  comparing = [] { throw std::runtime_error("not now"); };
  EXPECT_THROW(table.get(key), std::runtime_error);
  EXPECT_THROW(table.put(key, 4), std::runtime_error);
  comparing = nullptr;
  std::thread([&] { EXPECT_EQ(table.get(other), 2); }).join();
}

TEST(UserCode, TheEqualityOfAnEnumerationIsTheUsers) {
  expect_equality_may_use_the_table(Level::low, Level::high);
  expect_equality_may_use_the_table(std::pair(Level::low, 1), std::pair(Level::high, 1));
  expect_equality_may_use_the_table(std::array{Level::low}, std::array{Level::high});
}

// --- What somebody reads stays ---

TEST(UserCode, APinnedEntryOutlivesItsRemoval) {
  Ledger ledger;
  Removals<int, std::uint64_t> heard;
  {
    using Pinned = Memory<int, Tracked>;
    Pinned table({.max_entries = 4,
                  .on_removal = [listen = heard.listener()](
                                    int key, const Tracked& value,
                                    Cause cause) { listen(key, value.number(), cause); },
                  .policy = Policy::lru});
    for (int i = 0; i < 4; ++i) table.put(i, Tracked(ledger, static_cast<std::uint64_t>(i)));
    {
      const Pinned::Hit evicted = table.find(0);
      const Pinned::Hit erased = table.find(1);
      const Pinned::Hit replaced = table.find(2);
      table.erase(1);
      table.put(2, Tracked(ledger, 200));
      for (int i = 10; i < 30; ++i) table.put(i, Tracked(ledger, static_cast<std::uint64_t>(i)));
      table.clear();

      EXPECT_EQ(evicted.value().number(), 0U);
      EXPECT_EQ(erased.value().number(), 1U);
      EXPECT_EQ(replaced.value().number(), 2U);
      for (const auto& removal : heard.all()) EXPECT_GT(removal.value, 2U) << "still being read";
      EXPECT_EQ(ledger.living(), 3);
    }
    EXPECT_EQ(ledger.living(), 0);

    std::map<std::uint64_t, Cause> causes;
    for (const auto& removal : heard.all()) {
      EXPECT_TRUE(causes.emplace(removal.value, removal.cause).second) << "told twice";
    }
    EXPECT_EQ(causes.size(), 25U);
    EXPECT_EQ(causes.at(0), Cause::evicted);
    EXPECT_EQ(causes.at(1), Cause::erased);
    EXPECT_EQ(causes.at(2), Cause::replaced);
    EXPECT_EQ(causes.at(29), Cause::erased);
  }
  EXPECT_EQ(ledger.faults(), 0);
}

TEST(UserCode, ACopyUnderWayIsOfOnePiece) {
  Table table({.max_entries = 1, .shards = 1});
  table.put(Key{1}, Value(1));
  std::optional<Value> copy;
  {
    const ScopedHook scoped([&](Where where) {
      if (where != Where::copy) return;
      std::thread([&table] {
        table.erase(Key{1});
        for (int i = 2; i < 50; ++i) table.put(Key{i}, Value(i));
      }).join();
    });
    copy = table.get(Key{1});
  }
  ASSERT_TRUE(copy);
  EXPECT_EQ(copy->number(), 1);
  EXPECT_EQ(number_of(table, 1), std::nullopt);
}

TEST(UserCode, ReadingMuchLongerThanTheTableTurnsOverIsFine) {
  Ledger ledger;
  {
    Memory<int, Tracked> table({.max_entries = 16});
    std::vector<Memory<int, Tracked>::Hit> hits(200);
    for (int i = 0; i < 200; ++i) {
      table.put(i, Tracked(ledger, static_cast<std::uint64_t>(i)));
      table.find(i, engine::Hash<int>{}(i), hits[static_cast<std::size_t>(i)]);
    }
    EXPECT_EQ(table.size(), 16U);
    for (std::size_t i = 0; i < 200; ++i) EXPECT_EQ(hits[i].value().number(), i);
    hits.clear();
    EXPECT_EQ(ledger.living(), 16);
  }
  EXPECT_EQ(ledger.living(), 0);
  EXPECT_EQ(ledger.faults(), 0);
}

}  // namespace
}  // namespace dcache
