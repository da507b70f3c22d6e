// SPDX-License-Identifier: MIT
// A table asks for little memory, and one that gets none stays whole: `put` says no.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <map>
#include <new>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

#include "dcache/memory.hpp"

namespace {

std::atomic<long> countdown{-1};  // Allocations until one fails; negative: none does.
std::atomic<std::size_t> allocated{0};
std::atomic<int> failures{0};

void* allocate(std::size_t size, std::size_t alignment) noexcept {
  if (countdown == 0) {  // So does every one after it.
    ++failures;
    return nullptr;
  }
  if (countdown > 0) --countdown;
  allocated += size;
  return alignment <= alignof(std::max_align_t)
             ? std::malloc(size)
             : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

void* allocate_or_throw(std::size_t size, std::size_t alignment) {
  if (void* const memory = allocate(size, alignment)) return memory;
  throw std::bad_alloc();
}

}  // namespace

[[gnu::noinline]] void* operator new(std::size_t size) { return allocate_or_throw(size, 1); }
[[gnu::noinline]] void* operator new[](std::size_t size) { return allocate_or_throw(size, 1); }
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate_or_throw(size, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void* operator new[](std::size_t size, std::align_val_t alignment) {
  return allocate_or_throw(size, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return allocate(size, 1);
}
[[gnu::noinline]] void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return allocate(size, 1);
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment,
                                     const std::nothrow_t&) noexcept {
  return allocate(size, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete[](void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}

namespace dcache {
namespace {

using namespace std::chrono_literals;

// Every allocation after the first `count` fails while this lives.
class Famine {
 public:
  explicit Famine(long count) {
    failures = 0;
    countdown = count;
  }
  ~Famine() { countdown = -1; }
  Famine(const Famine&) = delete;
  Famine& operator=(const Famine&) = delete;
};

TEST(Allocation, ATableThatIsMadeTakesNextToNothing) {
  const std::size_t before = allocated;
  const Memory<std::uint64_t, std::uint64_t> bounded({.max_entries = 10'000'000});
  const Memory<std::string, std::string> unbounded({.max_entries = std::nullopt});
  EXPECT_LT(allocated - before, 128U * 1024);
}

// Pages that this process has in memory, in bytes; the system may take some away.
std::ptrdiff_t resident() {
  std::ptrdiff_t size = 0;
  std::ptrdiff_t pages = 0;
  std::ifstream("/proc/self/statm") >> size >> pages;
  return pages * static_cast<std::ptrdiff_t>(::sysconf(_SC_PAGESIZE));
}

// What it has asked for is there for a full table; the system lends pages for what was written.
TEST(Allocation, ATableOfAMillionThatHoldsTenHasLittleInMemory) {
  constexpr std::ptrdiff_t mebi = std::ptrdiff_t{1} << 20U;
  const std::ptrdiff_t before = resident();
  Memory<std::uint64_t, std::uint64_t> table({.max_entries = 1'000'000, .ttl = 1h, .idle = 1min});
  for (std::uint64_t i = 0; i < 10; ++i) table.put(i, i);
  EXPECT_LT(resident() - before, 6 * mebi);
  for (std::uint64_t i = 10; i < 1'000'000; ++i) table.put(i, i);
  EXPECT_GT(resident() - before, 16 * mebi) << "the measure is none";
}

TEST(Allocation, ATableWithoutABoundAsksForFewMebibytes) {
  const std::size_t before = allocated;
  Memory<std::uint64_t, std::uint64_t> table({.max_entries = std::nullopt, .ttl = 1h});
  for (std::uint64_t i = 0; i < 100; ++i) table.put(i, i);
  EXPECT_LT(allocated - before, std::size_t{4} << 20U);
}

TEST(Allocation, AHitTakesNothing) {
  Memory<std::string, std::uint64_t> table;
  Memory<std::uint64_t, std::uint64_t> numbers;
  const std::string key(50, 'x');
  table.put(key, 1);
  numbers.put(1, 1);
  const std::size_t before = allocated;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(table.get(key), 1U);
    ASSERT_EQ(numbers.get(1), 1U);
  }
  EXPECT_EQ(allocated, before);
}

TEST(Allocation, AFullTableOfNumbersTakesNoMore) {
  Memory<std::uint64_t, std::uint64_t> table({.max_entries = 1000});
  for (std::uint64_t i = 0; i < 10'000; ++i) table.put(i, i);
  const std::size_t before = allocated;
  for (std::uint64_t i = 10'000; i < 200'000; ++i) table.put(i, i);
  EXPECT_EQ(allocated, before);
}

TEST(Allocation, ResizingToAndFroTakesNoMoreThanTheLargest) {
  Memory<std::uint64_t, std::uint64_t> table({.max_entries = 1000});
  std::uint64_t next = 0;
  const auto round = [&] {
    for (const std::size_t most : {4000U, 10U}) {
      table.resize(most);
      for (int i = 0; i < 8000; ++i, ++next) table.put(next, next);
    }
  };
  for (int i = 0; i < 5; ++i) round();
  const std::size_t before = allocated;
  for (int i = 0; i < 50; ++i) round();
  // The ghost is made anew; nothing else grows.
  EXPECT_LT(allocated - before, 50U * 64 * 1024);
}

struct Text {
  std::string text;  // A struct: moving it is the user's code for all we know.
  friend bool operator==(const Text&, const Text&) = default;
};
struct HashText {
  std::uint64_t operator()(const Text& key) const { return engine::Hash<std::string>{}(key.text); }
};

template <class T>
T make(int number);
template <>
int make<int>(int number) {
  return number;
}
template <>
Text make<Text>(int number) {
  return {std::to_string(number)};
}

// Puts until memory ends after `count` allocations; then what is there must be what was put last.
// Made for a hundred, a table is past its first segment when it starves.
template <class Key, class Hash>
void starve(std::size_t made_for, long count, bool timed, bool weighed) {
  using Table = Memory<Key, Key, Hash>;
  typename Table::Options options{.max_entries = made_for, .shards = 1};
  if (timed) options.ttl = 1h;
  if (weighed) {
    options.max_weight = 10'000;
    options.weigher = [](const Key&, const Key&) { return std::uint64_t{3}; };
  }
  Table table(options);
  table.resize(700);
  std::map<int, int> last;  // What was put last, if it was kept.
  const auto put = [&](int key, int value) {
    const bool kept = table.put(make<Key>(key), make<Key>(value));
    last.erase(key);
    if (kept) last.emplace(key, value);
    return kept;
  };
  for (int key = 0; key < 60; ++key) ASSERT_TRUE(put(key, key));
  int kept[300];
  {
    const Famine famine(count);
    for (int key = 0; key < 300; ++key) {
      kept[key] = table.put(make<Key>(key), make<Key>(key + 1000)) ? 1 : 0;
    }
  }
  for (int key = 0; key < 300; ++key) {
    last.erase(key);
    if (kept[key] != 0) last.emplace(key, key + 1000);
  }
  for (int key = 0; key < 300; ++key) {
    const auto value = table.get(make<Key>(key));
    const auto found = last.find(key);
    ASSERT_EQ(value.has_value(), found != last.end()) << "key " << key << " after " << count;
    if (value) {
      ASSERT_EQ(*value, make<Key>(found->second));
    }
  }
  ASSERT_EQ(table.size(), last.size());
  ASSERT_EQ(table.stats().weight, weighed ? 3 * last.size() : 0U);
  ASSERT_EQ(table.stats().rejected, 300U - last.size());
  // Plenty again: the table goes on as if nothing had been.
  for (int key = 0; key < 600; ++key) ASSERT_TRUE(put(key, key));
  for (int key = 0; key < 600; ++key) ASSERT_EQ(table.get(make<Key>(key)), make<Key>(key));
}

class Starving : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Weighed, Starving, ::testing::Bool());

TEST_P(Starving, PlainEntriesStayWhole) {
  for (long count = 0; count < 40; ++count) {
    for (const std::size_t made_for : {700U, 100U}) {
      starve<int, engine::Hash<int>>(made_for, count, false, GetParam());
      starve<int, engine::Hash<int>>(made_for, count, true, GetParam());
    }
  }
}

TEST_P(Starving, PinnedEntriesStayWhole) {
  for (long count = 0; count < 700; count += count < 60 ? 1 : 13) {
    for (const std::size_t made_for : {700U, 100U}) {
      starve<Text, HashText>(made_for, count, false, GetParam());
      starve<Text, HashText>(made_for, count, true, GetParam());
    }
  }
}

TEST(Starving, FailingOnlyOnceIsAsHarmless) {
  for (long count = 0; count < 60; ++count) {
    Memory<int, int> table({.max_entries = 100, .ttl = 1h, .shards = 1});
    table.resize(1000);
    for (int key = 0; key < 400; ++key) {
      if (key == 50) countdown = count;
      const bool kept = table.put(key, key);
      if (failures > 0) {
        countdown = -1;
        failures = 0;
      }
      ASSERT_EQ(table.get(key).has_value(), kept);
    }
    countdown = -1;
    EXPECT_GE(table.size(), 399U);
  }
}

}  // namespace
}  // namespace dcache
