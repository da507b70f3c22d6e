// SPDX-License-Identifier: MIT
// Many threads on tables of every kind, for DCACHE_SOAK_SECONDS (default 60). Each thread owns some
// keys and knows the last value it put for them: nobody may see an older one.
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "dcache/memory.hpp"
#include "support/threads.hpp"

namespace dcache {
namespace {

using namespace std::chrono_literals;
using testing::run_together;

constexpr int threads = 4;
constexpr std::uint64_t keys_each = 400;

template <class Value>
Value make(std::uint64_t number) {
  if constexpr (std::is_same_v<Value, std::string>) {
    return std::to_string(number) + std::string(number % 40, '.');
  } else {
    return number;
  }
}

template <class Value>
class World {
 public:
  explicit World(std::uint64_t seed) : random_(seed), table_(options()) {}

  int run(std::chrono::steady_clock::time_point end) {
    run_together(threads, [&](int number) {
      std::mt19937_64 random(static_cast<unsigned>(number));
      while (std::chrono::steady_clock::now() < end) {
        for (int i = 0; i < 2000; ++i) step(random, static_cast<std::uint64_t>(number));
      }
    });
    const MemoryStats stats = table_.stats();
    wrong_ += stats.inserted - stats.evicted - stats.expired - stats.erased != table_.size();
    wrong_ += table_.size() > 5000;
    table_.clear();
    wrong_ += table_.stats().weight != 0;
    return wrong_;
  }

 private:
  using Table = Memory<std::uint64_t, Value>;

  typename Table::Options options() {
    typename Table::Options options{.max_entries = 10 + random_() % 3000};
    if (random_() % 2 == 0) options.ttl = 1ms * (1 + random_() % 1000);
    if (random_() % 3 == 0) options.idle = 1ms * (1 + random_() % 200);
    if (random_() % 4 == 0) options.policy = Policy::lru;
    if (random_() % 2 == 0) options.shards = 1U << random_() % 5;
    if (random_() % 3 == 0) {
      options.max_weight = 5000;
      options.weigher = [](const std::uint64_t& key, const Value&) { return key % 9; };
    }
    if (random_() % 2 == 0) {
      options.on_removal = [this](const std::uint64_t& key, const Value&, Cause) {
        if (key % 100 == 0) table_.get(key);
      };
    }
    return options;
  }

  // Key `i` of thread `t` is i * threads + t. Only `t` writes it.
  void step(std::mt19937_64& random, std::uint64_t mine) {
    const std::uint64_t index = random() % keys_each;
    const std::uint64_t own = index * threads + mine;
    std::atomic<std::uint64_t>& latest = latest_[own];
    switch (random() % 16) {
      case 0:
      case 1:
      case 2:
      case 3: {
        // Values of a key only grow; the floor is raised once the store has ended.
        const std::uint64_t value = latest + keys_each * threads;
        table_.put(own, make<Value>(value + own));
        latest = value;
        break;
      }
      case 4:
        table_.erase(own);
        if (table_.get(own)) ++wrong_;
        break;
      case 5:
        if (random() % 500 == 0) table_.resize(10 + random() % 3000);
        if (random() % 500 == 0) table_.cleanup();
        if (random() % 5000 == 0) table_.clear();
        if (random() % 2000 == 0) table_.snapshot(100);
        break;
      default: {
        const std::uint64_t key = random() % (keys_each * threads);
        const std::uint64_t floor = latest_[key];
        const auto value = table_.get(key);
        if (!value) break;
        std::uint64_t number = 0;
        if constexpr (std::is_same_v<Value, std::string>) {
          number = std::stoull(*value);
        } else {
          number = *value;
        }
        wrong_ += number % (keys_each * threads) != key || number < floor;
      }
    }
  }

  std::mt19937_64 random_;
  std::atomic<int> wrong_{0};
  std::array<std::atomic<std::uint64_t>, keys_each * threads> latest_{};
  Table table_;
};

TEST(MemorySoak, NobodySeesAnOldOrForeignValue) {
  const char* const wanted = std::getenv("DCACHE_SOAK_SECONDS");
  const auto end = std::chrono::steady_clock::now() +
                   std::chrono::seconds(wanted == nullptr ? 60 : std::atoi(wanted));
  std::random_device random;
  while (std::chrono::steady_clock::now() < end) {
    const std::uint64_t seed = random();
    const auto until = std::chrono::steady_clock::now() + 2s;
    ASSERT_EQ(World<std::uint64_t>(seed).run(until), 0) << "seed " << seed << ", plain";
    ASSERT_EQ(World<std::string>(seed).run(until + 2s), 0) << "seed " << seed << ", pinned";
  }
}

}  // namespace
}  // namespace dcache
