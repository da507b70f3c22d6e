// SPDX-License-Identifier: MIT
// A process forked while other threads use the table can use its copy at once.
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <pthread.h>

#include "dcache/memory.hpp"
#include "support/child.hpp"
#include "support/sanitized.hpp"

namespace dcache {
namespace {

using testing::in_child;

using Large = std::array<int, 20>;  // Pinned, and copied without asking for memory.

template <class Value>
Value of(int key) {
  if constexpr (std::is_same_v<Value, Large>) {
    Large large;
    large.fill(key);
    return large;
  } else {
    return std::to_string(key);
  }
}

// Every verb works, nothing is of another key, and the bound holds. 0: all well.
template <class Value>
int use(Memory<int, Value>& table, std::size_t most = 100) {
  for (int key = 0; key < 500; ++key) {
    const auto value = table.get(key);
    if (value && *value != of<Value>(key)) return 1;
  }
  for (int key = 0; key < 500; ++key) {
    if (!table.put(key, of<Value>(key))) return 2;
    if (table.get(key) != of<Value>(key)) return 3;
  }
  if (table.size() > 200) return 4;
  if (table.snapshot().size() != table.size()) return 5;
  table.resize(most);
  if (table.size() > most) return 6;
  table.cleanup();
  table.clear();
  if (table.size() != 0) return 7;
  if (table.stats().weight != 0) return 8;
  return 0;
}

// Writers, so that a fork finds the lock taken now and then, until this goes. They ask for no
// memory (short texts, a table that has all it needs): gcc 12's address sanitizer has an allocator
// whose own locks do not survive a fork. That is also why the first fork waits for all of them.
template <class Value>
class Hammer {
 public:
  using Table = Memory<int, Value>;

  explicit Hammer(Table& table, std::size_t threads = 3) : turns_(threads) {
    std::atomic<bool> ready{false};
    for (unsigned number = 0; number < turns_.size(); ++number) {
      threads_.emplace_back([this, &table, &ready, number] {
        if (number == 0) {
          fill(table);
          ready = true;
        }
        while (!ready) std::this_thread::yield();
        turn(table, number);
      });
    }
    for (auto& turns : turns_) {
      while (turns < 3000) std::this_thread::yield();
    }
  }
  ~Hammer() {
    done_ = true;
    for (auto& thread : threads_) thread.join();
  }
  Hammer(const Hammer&) = delete;
  Hammer& operator=(const Hammer&) = delete;

 private:
  void fill(Table& table) {
    table.resize(400);  // More slots than 200 entries and those that are pinned meanwhile need.
    for (int key = 0; key < 500; ++key) table.put(key, of<Value>(key));
    table.resize(200);
    use(table, 200);
    for (int key = 0; key < 500; ++key) table.get(key);  // Misses: the policy learns at this size.
  }

  void turn(Table& table, unsigned number) {
    std::mt19937_64 random(number);
    while (!done_) {
      const auto key = static_cast<int>(random() % 500);
      if (random() % 50 == 0) table.clear();
      if (random() % 4 == 0) table.erase(key);
      table.put(key, of<Value>(key));
      table.get(key);
      ++turns_[number];
    }
  }

  std::atomic<bool> done_{false};
  std::vector<std::atomic<int>> turns_;
  std::vector<std::thread> threads_;
};

constexpr int forks = 80;
constexpr unsigned patience = 30;  // Seconds; a child takes milliseconds.

using Table = Memory<int, std::string>;

TEST(MemoryFork, TheChildUsesTheTableAtOnce) {
  Table table({.max_entries = 200, .shards = 1});
  const Hammer hammer(table);
  for (int i = 0; i < forks; ++i) ASSERT_EQ(in_child(patience, [&] { return use(table); }), 0) << i;
}

TEST(MemoryFork, OfATableThatOneThreadAloneUsed) {
  Table table({.max_entries = 200, .shards = 1});
  const Hammer hammer(table, 1);
  for (int i = 0; i < forks; ++i) ASSERT_EQ(in_child(patience, [&] { return use(table); }), 0) << i;
}

TEST(MemoryFork, OfATableOfNumbersThatOneThreadAloneUsed) {
  Memory<int, Large> table({.max_entries = 200, .shards = 1});
  const Hammer hammer(table, 1);
  for (int i = 0; i < forks; ++i) ASSERT_EQ(in_child(patience, [&] { return use(table); }), 0) << i;
}

TEST(MemoryFork, WithDeadlines) {
  Table table({.max_entries = 200,
               .ttl = std::chrono::hours(1),
               .idle = std::chrono::minutes(1),
               .shards = 2});
  const Hammer hammer(table);
  for (int i = 0; i < forks; ++i) ASSERT_EQ(in_child(patience, [&] { return use(table); }), 0) << i;
}

TEST(MemoryFork, WithExactLru) {
  Table table({.max_entries = 200, .policy = Policy::lru});
  const Hammer hammer(table);
  for (int i = 0; i < forks; ++i) ASSERT_EQ(in_child(patience, [&] { return use(table); }), 0) << i;
}

// What the child lost in the middle of a change weighs nothing any more.
TEST(MemoryFork, WithWeights) {
  Table table({.max_entries = 200,
               .max_weight = 400,
               .weigher = [](const int&, const std::string& text) { return text.size(); },
               .shards = 1});
  const Hammer hammer(table);
  for (int i = 0; i < forks; ++i) ASSERT_EQ(in_child(patience, [&] { return use(table); }), 0) << i;
}

TEST(MemoryFork, AChildOfAChildToo) {
  Table table({.max_entries = 200, .shards = 1});
  const Hammer hammer(table);
  for (int i = 0; i < forks / 5; ++i) {
    ASSERT_EQ(in_child(patience,
                       [&] {
                         const int mine = use(table);
                         return mine != 0 ? mine : in_child(patience, [&] { return use(table); });
                       }),
              0);
  }
}

TEST(MemoryFork, TheParentNoticesNothing) {
  Table table({.max_entries = 1000});
  for (int key = 0; key < 500; ++key) table.put(key, std::to_string(key));

  ASSERT_EQ(in_child(patience,
                     [&] {
                       table.clear();
                       return 0;
                     }),
            0);

  EXPECT_EQ(table.size(), 500U);
}

// What a handler of the program's does in the child comes after what is ours.
TEST(MemoryFork, AHandlerOfAForkMayUseTheTable) {
  static std::atomic<Table*> used{nullptr};
  Table table({.max_entries = 200, .shards = 1});
  pthread_atfork(nullptr, nullptr, [] {
    if (Table* const in_child = used) {
      alarm(patience);
      use(*in_child);
    }
  });
  Table other;
  other.put(1, "so that who forks has used a table before");
  const Hammer hammer(table, 1);
  used = &table;
  for (int i = 0; i < forks; ++i) ASSERT_EQ(in_child(patience, [] { return 0; }), 0) << i;
  used = nullptr;
}

// Copies slowly while it is told to.
struct Slow {
  static inline std::atomic<bool> slow{false};
  static inline std::atomic<bool> copying{false};

  explicit Slow(int n) : number(n) {}
  Slow(const Slow& other) : number(other.number) {
    if (!slow) return;
    copying = true;
    while (slow) std::this_thread::yield();
  }
  Slow(Slow&& other) noexcept : number(other.number) {}
  ~Slow() = default;

  int number;
};

// One thread of the child reads an entry while another one finds that a change was under way.
TEST(MemoryFork, WhatAThreadOfTheChildReadsItReadsToTheEnd) {
  if (testing::sanitized) GTEST_SKIP() << "its child has threads";
  Memory<int, Slow> table({.max_entries = 64, .shards = 1});
  std::atomic<int> turns{0};
  std::jthread writer([&](const std::stop_token& end) {
    for (int i = 0; !end.stop_requested(); ++i, ++turns) table.put(i % 20, Slow(i % 20));
  });
  while (turns < 100) std::this_thread::yield();
  for (int i = 0; i < forks; ++i) {
    ASSERT_EQ(in_child(patience,
                       [&] {
                         Slow::slow = true;
                         int read = 7;
                         std::thread reader([&] {
                           if (const auto found = table.get(7)) read = found->number;
                           Slow::copying = true;
                         });
                         while (!Slow::copying) std::this_thread::yield();
                         // Not through `get`: a copy would wait for itself.
                         for (int key = 100; key < 130; ++key) table.put(key, Slow(key));
                         Slow::slow = false;
                         reader.join();
                         if (read != 7) return 1;
                         for (int key = 100; key < 130; ++key) {
                           const auto found = table.get(key);
                           if (!found || found->number != key) return 2;
                         }
                         return 0;
                       }),
              0)
        << i;
  }
}

}  // namespace
}  // namespace dcache
