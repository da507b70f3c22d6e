// SPDX-License-Identifier: MIT
// Many threads on one table: never a torn or foreign value, never over the bound at rest, every
// value destroyed once, and counters that add up.
#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "dcache/memory.hpp"
#include "support/threads.hpp"
#include "support/tracked.hpp"

namespace dcache {
namespace {

using namespace std::chrono_literals;
using testing::Ledger;
using testing::run_together;
using testing::Tracked;

constexpr int threads = 4;
constexpr int operations = 20'000;
constexpr std::uint64_t keys = 300;
constexpr std::size_t most = 200;

// Values that say which key they are of, in every part.
using Block = std::array<std::uint64_t, 5>;  // With its key 48 bytes: copied.
static_assert(engine::plain_entry<std::uint64_t, Block, engine::Hash<std::uint64_t>,
                                  engine::Same<std::uint64_t>>);

using Large = std::array<std::uint64_t, 9>;  // With its key 72 bytes: pinned.
static_assert(!engine::plain_entry<std::uint64_t, Large, engine::Hash<std::uint64_t>,
                                   engine::Same<std::uint64_t>>);

Block block_of(std::uint64_t key, std::uint64_t version) {
  return {key, version, key ^ version, ~key, key * version};
}
bool is_of(const Block& block, std::uint64_t key) { return block == block_of(key, block[1]); }

Large large_of(std::uint64_t key, std::uint64_t version) {
  return {key, version, key ^ version, ~key, key * version, key, version, ~version, key + version};
}
bool is_of(const Large& large, std::uint64_t key) { return large == large_of(key, large[1]); }

std::string text_of(std::uint64_t key, std::uint64_t version) {
  return std::to_string(key) + ":" + std::string(20 + version % 30, 'v');
}
bool is_of(const std::string& text, std::uint64_t key) {
  return text.substr(0, text.find(':')) == std::to_string(key) && text.back() == 'v';
}

template <class Value>
Value make(std::uint64_t key, std::uint64_t version) {
  if constexpr (std::is_same_v<Value, Block>) {
    return block_of(key, version);
  } else if constexpr (std::is_same_v<Value, Large>) {
    return large_of(key, version);
  } else {
    return text_of(key, version);
  }
}

template <class Value>
class Concurrent : public ::testing::Test {
 protected:
  using Table = Memory<std::uint64_t, Value>;

  // One thread's share; returns how often it called `get`.
  std::uint64_t work(Table& table, int number, int count = operations) {
    std::mt19937_64 random(static_cast<unsigned>(number) + 1);
    std::uint64_t gets = 0;
    for (int i = 0; i < count; ++i) {
      const std::uint64_t key = random() % keys;
      const auto dice = random() % 1000;
      if (dice < 600) {
        ++gets;
        const auto value = table.get(key);
        wrong_ += value && !is_of(*value, key) ? 1 : 0;
      } else if (dice < 900) {
        table.put(key, make<Value>(key, random() % 1000));
      } else if (dice < 980) {
        table.erase(key);
      } else if (dice < 985) {
        for (const auto& [seen, value] : table.snapshot(50)) wrong_ += is_of(value, seen) ? 0 : 1;
      } else if (dice < 990) {
        table.cleanup();
      } else if (dice < 992) {
        table.clear();
      } else {
        table.resize(1 + random() % most);
      }
    }
    return gets;
  }

  void run(Table& table) {
    run_together(threads, [&](int number) { gets_ += work(table, number); });
  }

  // At rest.
  void check(Table& table) {
    const MemoryStats stats = table.stats();
    EXPECT_EQ(wrong_, 0);
    EXPECT_EQ(stats.hits + stats.misses, gets_);
    EXPECT_EQ(stats.inserted - stats.evicted - stats.expired - stats.erased, table.size());
    EXPECT_EQ(table.snapshot().size(), table.size());
    EXPECT_LE(table.size(), most);
    for (const auto& [key, value] : table.snapshot()) EXPECT_TRUE(is_of(value, key));
  }

  std::atomic<int> wrong_{0};
  std::atomic<std::uint64_t> gets_{0};
};

using Values = ::testing::Types<Block, Large, std::string>;
struct ValueNames {
  template <class T>
  static std::string GetName(int) {
    if (std::is_same_v<T, Block>) return "Plain";
    return std::is_same_v<T, Large> ? "PinnedLarge" : "Pinned";
  }
};
TYPED_TEST_SUITE(Concurrent, Values, ValueNames);

TYPED_TEST(Concurrent, OneShard) {
  typename TestFixture::Table table({.max_entries = most, .shards = 1});
  this->run(table);
  this->check(table);
}

// The second thread comes while the first one is alone in a part of the table.
TYPED_TEST(Concurrent, ATableOfOneThreadIsSharedAtAnyMoment) {
  for (int round = 0; round < 200; ++round) {
    this->gets_ = 0;
    typename TestFixture::Table table({.max_entries = most, .shards = 4});
    run_together(2, [&](int number) { this->gets_ += this->work(table, number + round, 300); });
    this->check(table);
  }
}

TYPED_TEST(Concurrent, FourShards) {
  typename TestFixture::Table table({.max_entries = most, .shards = 4});
  this->run(table);
  this->check(table);
}

TYPED_TEST(Concurrent, ExactLru) {
  typename TestFixture::Table table({.max_entries = most, .policy = Policy::lru});
  this->run(table);
  this->check(table);
}

TYPED_TEST(Concurrent, WithAListenerEveryRemovalIsHeardOnce) {
  std::atomic<std::uint64_t> heard{0};
  typename TestFixture::Table table(
      {.max_entries = most,
       .on_removal =
           [&](const std::uint64_t& key, const TypeParam& value, Cause) {
             this->wrong_ += is_of(value, key) ? 0 : 1;
             ++heard;
           },
       .shards = 2});
  this->run(table);
  this->check(table);
  const MemoryStats stats = table.stats();
  EXPECT_EQ(heard, stats.replaced + stats.evicted + stats.expired + stats.erased);
}

TYPED_TEST(Concurrent, EntriesThatExpireUnderWay) {
  ManualClock clock;
  typename TestFixture::Table table(
      {.max_entries = most, .ttl = 50ms, .idle = 20ms, .shards = 2, .clock = &clock});
  std::atomic<bool> done{false};
  std::jthread time([&] {
    while (!done) {
      clock.advance(1ms);
      std::this_thread::yield();
    }
  });
  this->run(table);
  done = true;
  time.join();
  table.cleanup();
  this->check(table);
}

TYPED_TEST(Concurrent, WeightsAddUpAndHoldTheirBound) {
  typename TestFixture::Table table(
      {.max_entries = most,
       .max_weight = 500,
       .weigher = [](const std::uint64_t& key, const TypeParam&) { return key % 7; },
       .shards = 2});
  this->run(table);
  this->check(table);
  std::uint64_t sum = 0;
  for (const auto& [key, value] : table.snapshot()) sum += key % 7;
  EXPECT_EQ(table.stats().weight, sum);
  EXPECT_LE(sum, 500U);
}

// The first deadlines of a shard, by threads whose looks at the clock lie apart.
TYPED_TEST(Concurrent, FirstDeadlinesAreKeptWhoeverComesFirst) {
  for (int round = 0; round < 200; ++round) {
    ManualClock clock;
    clock.advance(100h);
    typename TestFixture::Table table({.ttl = 1s, .shards = 1, .clock = &clock});
    run_together(3, [&](int number) {
      clock.advance(1ms);
      const auto key = static_cast<std::uint64_t>(number);
      table.put(key, make<TypeParam>(key, 1));
    });
    clock.advance(1s);
    for (std::uint64_t key = 0; key < 3; ++key) ASSERT_EQ(table.get(key), std::nullopt);
  }
}

// What deadlines are told from moves once in 24 days, while hits move deadlines without a lock.
TYPED_TEST(Concurrent, AHitNeverPostponesDeathPastTheIdleTime) {
  constexpr auto idle = 20 * 24h;
  const std::uint64_t hash = engine::Hash<std::uint64_t>{}(1);
  ManualClock clock;
  typename TestFixture::Table table(
      {.max_entries = most, .idle = idle, .shards = 1, .clock = &clock});
  for (std::uint64_t key = 0; key < most; ++key) table.put(key, make<TypeParam>(key, 1));
  std::atomic<int> looks{0};
  std::atomic<bool> done{false};
  run_together(2, [&](int number) {
    if (number == 1) {
      for (; !done; ++looks) {
        table.get(1);
        typename TestFixture::Table::Hit hit;
        table.find(std::uint64_t{1}, hash, hit, false);
        this->wrong_ += hit && hit.terms().dies > table.after(idle) ? 1 : 0;
      }
      return;
    }
    for (int i = 0; i < 300; ++i) {
      clock.advance(15 * 24h);
      table.put(2, make<TypeParam>(2, 1));
      table.put(1, make<TypeParam>(1, 1));
      for (const int before = looks; looks < before + 2;) std::this_thread::yield();
    }
    done = true;
  });
  EXPECT_EQ(this->wrong_, 0);
}

TYPED_TEST(Concurrent, AnEntryIsFoundWithItsOwnDeadline) {
  const std::uint64_t hash = engine::Hash<std::uint64_t>{}(1);
  ManualClock clock;
  typename TestFixture::Table table({.max_entries = most, .shards = 1, .clock = &clock});
  table.put(1, make<TypeParam>(1, 1), {.ttl = 1h});
  std::atomic<bool> done{false};
  run_together(2, [&](int number) {
    if (number == 1) {
      while (!done) {
        typename TestFixture::Table::Hit hit;
        table.find(std::uint64_t{1}, hash, hit, false);
        const bool first = hit && hit.value() == make<TypeParam>(1, 1);
        this->wrong_ += hit && hit.terms().dies != table.after(first ? 1h : 2h) ? 1 : 0;
      }
      return;
    }
    // A slot that was given back is the next to be taken.
    for (int i = 0; i < 5 * operations; ++i) {
      table.put(1, make<TypeParam>(1, 2), {.ttl = 2h});
      table.put(1, make<TypeParam>(1, 1), {.ttl = 1h});
    }
    done = true;
  });
  EXPECT_EQ(this->wrong_, 0);
}

// A table at rest has all its entries in each snapshot, however much they are read meanwhile.
TYPED_TEST(Concurrent, SnapshotMissesNobodyForBeingRead) {
  typename TestFixture::Table table({.max_entries = 100, .shards = 1});
  for (std::uint64_t key = 0; key < 100; ++key) table.put(key, make<TypeParam>(key, 1));
  for (std::uint64_t key = 100; key < 150; ++key) table.put(key, make<TypeParam>(key, 1));
  const std::size_t size = table.size();
  std::atomic<bool> done{false};
  run_together(2, [&](int number) {
    if (number == 1) {
      for (std::uint64_t i = 0; !done; ++i) table.get(i % 150);
      return;
    }
    for (int i = 0; i < 300; ++i) {
      EXPECT_EQ(table.snapshot().size(), size);
      // Makes them cool, so that the reader heats them again.
      for (std::uint64_t key = 200; key < 203; ++key) table.put(key, make<TypeParam>(key, 1));
    }
    done = true;
  });
}

TEST(ConcurrentValues, AreDestroyedExactlyOnce) {
  Ledger ledger;
  std::atomic<int> wrong{0};
  {
    Memory<std::uint64_t, Tracked> table({.max_entries = 50, .shards = 2});
    run_together(threads, [&](int number) {
      std::mt19937_64 random(static_cast<unsigned>(number));
      for (int i = 0; i < operations; ++i) {
        const std::uint64_t key = random() % 100;
        switch (random() % 8) {
          case 0:
            table.erase(key);
            break;
          case 1:
          case 2:
          case 3:
            table.put(key, Tracked(ledger, key));
            break;
          default: {
            const auto value = table.get(key);
            wrong += value && value->number() != key ? 1 : 0;
          }
        }
      }
    });
    EXPECT_EQ(ledger.living(), static_cast<std::int64_t>(table.size()));
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(ledger.living(), 0);
  EXPECT_EQ(ledger.faults(), 0);
}

TEST(ConcurrentValues, MayBeLetGoByAnotherThreadThanTheOneThatIsAlone) {
  Ledger ledger;
  for (int round = 0; round < 100; ++round) {
    Memory<std::uint64_t, Tracked> table({.max_entries = 10, .shards = 1});
    std::vector<decltype(table.get(1))> held;
    for (std::uint64_t key = 0; key < 10; ++key) {
      table.put(key, Tracked(ledger, key));
      held.push_back(table.get(key));
    }
    std::thread other([held = std::move(held)]() mutable {
      while (!held.empty()) held.pop_back();
    });
    for (std::uint64_t key = 0; key < 20; ++key) {
      table.put(key, Tracked(ledger, key));
      table.erase(key + 1);
    }
    other.join();
    EXPECT_EQ(ledger.living(), static_cast<std::int64_t>(table.size()));
  }
  EXPECT_EQ(ledger.living(), 0);
  EXPECT_EQ(ledger.faults(), 0);
}

// Equality of the user's judges without the lock, so entries may change under it.
struct SlowSame {
  bool operator()(const std::string& a, const std::string& b) const { return a == b; }
};
struct FewHashes {
  std::uint64_t operator()(const std::string& text) const {
    return engine::Hash<int>{}(static_cast<int>(text.size() % 2));
  }
};

TEST(ConcurrentKeys, OfOneHashNeverMixUp) {
  Memory<std::string, std::string, FewHashes, SlowSame> table({.max_entries = 20, .shards = 1});
  std::atomic<int> wrong{0};
  run_together(threads, [&](int number) {
    std::mt19937_64 random(static_cast<unsigned>(number));
    for (int i = 0; i < operations / 10; ++i) {
      const std::string key = std::to_string(random() % 12);
      if (random() % 10 == 0) table.erase(key);
      const auto value = table.get(key);
      wrong += value && *value != key ? 1 : 0;
      if (!value) table.put(key, key);
    }
  });
  EXPECT_EQ(wrong, 0);
  EXPECT_LE(table.size(), 12U);
}

// Whoever put a value and knows that nobody else writes reads it back.
TEST(ConcurrentOrder, AThreadReadsItsOwnWrites) {
  Memory<std::uint64_t, std::uint64_t> table({.max_entries = 100'000, .shards = 1});
  std::atomic<int> wrong{0};
  run_together(threads, [&](int number) {
    for (std::uint64_t i = 0; i < operations; ++i) {
      const std::uint64_t key = static_cast<std::uint64_t>(number) * 10 + i % 10;
      table.put(key, i);
      wrong += table.get(key) != i ? 1 : 0;
      if (i % 3 != 0) continue;
      table.erase(key);
      wrong += table.get(key) ? 1 : 0;
    }
  });
  EXPECT_EQ(wrong, 0);
}

// One thread writes the keys 0, 1, … while the others read the latest thousand. Returns how many
// reads went wrong.
template <class Write, class Read>
int read_while_it_grows(std::uint64_t entries, const Write& write, const Read& right) {
  std::atomic<std::uint64_t> written{0};
  std::atomic<int> wrong{0};
  run_together(threads, [&](int number) {
    std::mt19937_64 random(static_cast<std::uint64_t>(number));
    while (written < entries) {
      if (number == 0) {
        write(written);
        ++written;
      } else if (const std::uint64_t end = written; end > 0) {
        const std::uint64_t key = end - 1 - random() % std::min<std::uint64_t>(end, 1000);
        wrong += right(key) ? 0 : 1;
      }
    }
  });
  return wrong;
}

// Past 65,536 slots in a shard the index has groups of another kind.
TEST(ConcurrentOrder, NothingIsLostWhileAShardOutgrowsItsIndex) {
  constexpr std::uint64_t entries = 70'000;
  Memory<std::uint64_t, std::uint64_t> table({.max_entries = std::nullopt, .shards = 1});
  const auto write = [&](std::uint64_t key) { table.put(key, key * 3); };
  const auto right = [&](std::uint64_t key) { return table.get(key) == key * 3; };
  EXPECT_EQ(read_while_it_grows(entries, write, right), 0);
  EXPECT_EQ(table.size(), entries);
}

// Beyond what a table was made for its entries lie elsewhere. Deadlines come late, and so does the
// place where they are kept.
template <class Value>
void outgrow_its_bound() {
  constexpr std::uint64_t entries = 8000;
  Memory<std::uint64_t, Value> table({.max_entries = 100, .shards = 1});
  const auto write = [&](std::uint64_t key) {
    if (key % 50 == 0) table.resize(key + 100);
    const auto ttl = key < 500 ? std::nullopt : std::optional<Duration>(1h);
    table.put(key, make<Value>(key, key), {.ttl = ttl});
  };
  const auto right = [&](std::uint64_t key) {
    const auto value = table.get(key);
    return value && is_of(*value, key);
  };
  EXPECT_EQ(read_while_it_grows(entries, write, right), 0);
  EXPECT_EQ(table.size(), entries);
}

TEST(ConcurrentOrder, NothingIsLostWhileATableOutgrowsItsBound) {
  outgrow_its_bound<Block>();
  outgrow_its_bound<std::string>();
}

TEST(Concurrent, WithACallersLockItIsATableLikeAnyOther) {
  std::mutex mutex;
  int left = 0;
  Memory<int, int> table({.max_entries = 100,
                          .on_removal = [&](int, int, Cause) { ++left; },
                          .shards = 1,
                          .guarded = true});
  run_together(4, [&](int thread) {
    for (int i = 0; i < 1000; ++i) {
      const std::scoped_lock lock(mutex);
      const auto found = table.get(i);
      if (found) {
        EXPECT_EQ(*found, i);
      }
      if (!found || i % 4 == thread) table.put(i, i);
      if (i % 7 == thread) table.erase(i);
    }
  });
  table.clear();

  EXPECT_EQ(table.size(), 0U);
  const MemoryStats stats = table.stats();
  EXPECT_EQ(stats.inserted, stats.evicted + stats.erased);
  EXPECT_EQ(static_cast<std::uint64_t>(left), stats.evicted + stats.erased + stats.replaced);
}

}  // namespace
}  // namespace dcache
