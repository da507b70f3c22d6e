// SPDX-License-Identifier: MIT
// Who leaves: on workloads made by seed, through the public face.
#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "dcache/memory.hpp"
#include "support/dealer.hpp"
#include "support/threads.hpp"
#include "support/workload.hpp"

namespace dcache {
namespace {

using testing::hit_ratio;
using testing::loop_trace;
using testing::lru_ratio;
using testing::play;
using testing::ReferenceLru;
using testing::run_together;
using testing::Trace;
using testing::Zipf;
using testing::zipf_trace;

using Table = Memory<std::uint64_t, std::uint64_t>;

// Every key under another name: the hash of a process is random, so that what is asserted below
// must hold for any.
double adaptive_ratio(std::size_t capacity, const Trace& trace) {
  Table table({.max_entries = capacity});
  return hit_ratio(table, trace);
}

TEST(Policy, AScanDoesNotFlushWhatIsHot) {
  constexpr std::size_t capacity = 1000;
  Trace trace;
  std::mt19937_64 random(1);
  std::uint64_t next = 1'000'000;
  for (int round = 0; round < 100; ++round) {
    for (int i = 0; i < 2000; ++i) trace.push_back(random() % 600);
    for (int i = 0; i < 3000; ++i) trace.push_back(next++);
  }
  // Forty in a hundred requests are for 600 keys that fit.
  EXPECT_GT(adaptive_ratio(capacity, trace), 0.37);
  EXPECT_LT(lru_ratio(capacity, trace), 0.30);
}

TEST(Policy, ALoopLargerThanTheCacheHasHits) {
  const Trace trace = loop_trace(200'000, 1200);
  EXPECT_EQ(lru_ratio(1000, trace), 0);
  EXPECT_GT(adaptive_ratio(1000, trace), 0.30);
}

TEST(Policy, PopularityThatDriftsIsFollowed) {
  std::mt19937_64 random(2);
  const Zipf zipf(20'000, 0.9);
  Trace trace(400'000);
  for (std::size_t i = 0; i < trace.size(); ++i) trace[i] = zipf(random) + i / 20;
  EXPECT_GT(adaptive_ratio(1000, trace), lru_ratio(1000, trace) - 0.01);
}

TEST(Policy, RecencyAloneIsServedNearlyAsWellAsByLru) {
  // Each key comes again soon, twice, and then never more.
  std::mt19937_64 random(3);
  Trace trace;
  for (std::uint64_t key = 0; key < 100'000; ++key) {
    trace.push_back(key);
    if (key >= 700) trace.push_back(key - random() % 700);
  }
  EXPECT_GT(adaptive_ratio(1000, trace), lru_ratio(1000, trace) - 0.03);
}

TEST(Policy, ZipfBeatsLruAtEverySize) {
  const Trace trace = zipf_trace(400'000, 50'000, 0.8, 4);
  for (const std::size_t capacity : {64U, 500U, 5000U, 20'000U}) {
    EXPECT_GT(adaptive_ratio(capacity, trace), lru_ratio(capacity, trace)) << capacity;
  }
}

// One trace with one thread, and with sixteen.
std::array<double, 2> ratios_alone_and_together(std::size_t capacity, unsigned seed) {
  constexpr unsigned threads = 16;
  const Trace trace = zipf_trace(200'000, 50'000, 0.9, seed);
  Table alone({.max_entries = capacity});
  const double one = hit_ratio(alone, trace);

  Table together({.max_entries = capacity});
  testing::Dealer dealer(trace.size(), threads, 64, capacity / 4);
  std::atomic<std::size_t> hits{0};
  run_together(threads, [&](int number) {
    for (std::size_t at = 0; dealer.deal(static_cast<unsigned>(number), at);) {
      hits += play(together, trace, at, dealer.end_of(at));
    }
  });
  return {one, static_cast<double>(hits) / static_cast<double>(trace.size())};
}

// What the policy learns on one trace differs by half a point from run to run, threads or not: the
// mean of four still leaves the bar in one run of thirty, and then sixteen more decide with them.
TEST(Policy, ThreadsDoNotChangeTheHitRatio) {
  for (const std::size_t capacity : {1000U, 10'000U}) {
    double one = 0;
    double sixteen = 0;
    unsigned traces = 0;
    const auto play_until = [&](unsigned count) {
      while (traces < count) {
        const auto [alone, together] = ratios_alone_and_together(capacity, traces++);
        one += alone;
        sixteen += together;
      }
    };
    const auto apart = [&] { return std::abs(one - sixteen) / traces; };
    play_until(4);
    if (apart() >= 0.005) play_until(20);
    EXPECT_LT(apart(), 0.005) << capacity << ": " << one / traces << " and " << sixteen / traces;
  }
}

TEST(Policy, WeightsKeepTheHotOnesToo) {
  Memory<std::uint64_t, std::uint64_t> table(
      {.max_entries = std::nullopt,
       .max_weight = 10'000,
       .weigher = [](const std::uint64_t& key, const std::uint64_t&) { return 5 + key % 11; }});
  const Trace trace = zipf_trace(300'000, 20'000, 0.9, 6);
  const double ours = hit_ratio(table, trace);
  EXPECT_GT(ours, lru_ratio(1000, trace) - 0.01) << "as many as fit, on average";
}

TEST(Policy, ChangingCapacityUnderWayHurtsNothing) {
  Table table({.max_entries = 1000});
  std::mt19937_64 random(7);
  const Zipf zipf(10'000, 0.9);
  for (int step = 0; step < 60; ++step) {
    const std::size_t capacity = 1 + random() % 5000;
    table.resize(capacity);
    ASSERT_LE(table.size(), capacity);
    for (int i = 0; i < 3000; ++i) {
      // The workload changes its nature as well, so that the knobs turn.
      const std::uint64_t key = step % 3 == 0 ? static_cast<std::uint64_t>(i) : zipf(random);
      if (!table.get(key)) table.put(key, key);
    }
    ASSERT_LE(table.size(), capacity);
  }
  table.resize(2000);
  EXPECT_GT(hit_ratio(table, zipf_trace(100'000, 10'000, 0.9, 8)), 0.6);
}

// --- Exact LRU ---

template <class Key>
Key key_of(std::uint64_t number) {
  if constexpr (std::is_same_v<Key, std::string>) {
    return std::to_string(number);
  } else {
    return number;
  }
}

template <class Key>
class ExactLru : public ::testing::Test {};
using Keys = ::testing::Types<std::uint64_t, std::string>;
struct KeyNames {
  template <class T>
  static std::string GetName(int) {
    return std::is_same_v<T, std::string> ? "Pinned" : "Plain";
  }
};
TYPED_TEST_SUITE(ExactLru, Keys, KeyNames);

TYPED_TEST(ExactLru, IsTheTextbooks) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    std::mt19937_64 random(seed);
    const std::size_t capacity = 1 + random() % 60;
    Memory<TypeParam, std::uint64_t> table({.max_entries = capacity, .policy = Policy::lru});
    ReferenceLru reference(capacity);
    for (int i = 0; i < 4000; ++i) {
      const std::uint64_t number = random() % 90;
      const auto key = key_of<TypeParam>(number);
      const auto dice = random() % 100;
      if (dice < 55) {
        ASSERT_EQ(table.get(key).has_value(), reference.get(number)) << "seed " << seed;
      } else if (dice < 93) {
        ASSERT_TRUE(table.put(key, number));
        reference.put(number);
      } else if (dice < 99) {
        ASSERT_EQ(table.erase(key), reference.erase(number));
      } else {
        const std::size_t next = 1 + random() % 60;
        table.resize(next);
        reference.resize(next);
      }
    }
    Trace order;
    for (const auto& [key, value] : table.snapshot()) order.push_back(value);
    ASSERT_EQ(order, reference.order());
  }
}

}  // namespace
}  // namespace dcache
