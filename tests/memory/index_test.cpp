// SPDX-License-Identifier: MIT
// The index against a multimap. Built twice: with vector instructions and without
// (DCACHE_PORTABLE).
#include "dcache/engine/index.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <random>
#include <unordered_map>
#include <vector>

#include <gtest/gtest.h>

#include "support/child.hpp"

namespace dcache::engine {
namespace {

class IndexTest : public ::testing::Test {
 protected:
  void insert(std::uint64_t hash, Slot slot) {
    if (!index_.has_room() || slot >= index_.reach()) {
      index_.prepare(most_, std::size_t{slot} + 1);
      index_.adopt(
          [](const void* self, Slot at) noexcept {
            return static_cast<const IndexTest*>(self)->hashes_[at];
          },
          this);
    }
    if (hashes_.size() <= slot) hashes_.resize(slot + 1);
    hashes_[slot] = hash;
    index_.insert(hash, slot);
    model_.emplace(hash, slot);
  }

  void erase(std::uint64_t hash, Slot slot) {
    index_.erase(hash, slot);
    const auto [begin, end] = model_.equal_range(hash);
    model_.erase(std::find_if(begin, end, [slot](const auto& one) { return one.second == slot; }));
  }

  // Those the index offers for `hash` whose hash it is: a tag may fit by chance.
  std::vector<Slot> found(std::uint64_t hash) const {
    std::vector<Slot> slots;
    index_.find(hash, [&](Slot slot) {
      if (hashes_[slot] == hash) slots.push_back(slot);
      return false;
    });
    std::sort(slots.begin(), slots.end());
    return slots;
  }

  void check(std::uint64_t hash) const {
    std::vector<Slot> expected;
    const auto [begin, end] = model_.equal_range(hash);
    for (auto one = begin; one != end; ++one) expected.push_back(one->second);
    std::sort(expected.begin(), expected.end());
    ASSERT_EQ(found(hash), expected);
  }

  std::size_t most_ = 100'000;
  Index index_;
  std::vector<std::uint64_t> hashes_;
  std::unordered_multimap<std::uint64_t, Slot> model_;
};

TEST_F(IndexTest, FindsNothingBeforeTheFirst) {
  EXPECT_FALSE(index_.has_room());
  EXPECT_EQ(index_.find(1, [](Slot) { return true; }), no_slot);
  index_.clear();
}

TEST_F(IndexTest, FindsEachOfManyWhileItGrows) {
  std::mt19937_64 random(1);
  for (Slot slot = 0; slot < 50'000; ++slot) insert(random(), slot);
  EXPECT_EQ(index_.size(), 50'000U);
  for (const auto& [hash, slot] : model_) check(hash);
  for (int i = 0; i < 10'000; ++i) check(random());
}

TEST_F(IndexTest, StopsAtTheFirstThatIsAccepted) {
  insert(7, 1);
  insert(7, 2);
  int offered = 0;
  EXPECT_NE(index_.find(7, [&](Slot) { return ++offered > 0; }), no_slot);
  EXPECT_EQ(offered, 1);
}

TEST_F(IndexTest, KeepsEqualHashesApart) {
  for (Slot slot = 0; slot < 1000; ++slot) insert(0xABCDEF, slot);  // More than overflow counts.
  check(0xABCDEF);
  for (Slot slot = 0; slot < 1000; slot += 2) erase(0xABCDEF, slot);
  check(0xABCDEF);
  for (Slot slot = 1; slot < 1000; slot += 2) erase(0xABCDEF, slot);
  EXPECT_TRUE(found(0xABCDEF).empty());
  for (Slot slot = 0; slot < 1000; ++slot) insert(slot * 0x9E3779B97F4A7C15U, slot);
  for (Slot slot = 0; slot < 1000; ++slot) check(slot * 0x9E3779B97F4A7C15U);
}

TEST_F(IndexTest, TagsOfEveryByteIncludingZero) {
  for (Slot slot = 0; slot < 4096; ++slot) insert(slot, slot);  // All in few groups.
  for (Slot slot = 0; slot < 4096; ++slot) check(slot);
}

TEST_F(IndexTest, AnEntryCanMoveToAnotherSlot) {
  for (Slot slot = 0; slot < 100; ++slot) insert(slot % 5, slot);
  hashes_.resize(300);
  hashes_[250] = 3;
  index_.replace(3, 8, 250);
  const auto now = found(3);
  EXPECT_TRUE(std::binary_search(now.begin(), now.end(), 250U));
  EXPECT_FALSE(std::binary_search(now.begin(), now.end(), 8U));
  EXPECT_EQ(index_.size(), 100U);
}

TEST_F(IndexTest, AgreesWithAMultimapThroughEverything) {
  for (const std::uint64_t spread : {3ULL, 200ULL, ~0ULL}) {
    std::mt19937_64 random(spread);
    const auto some_hash = [&] { return random() % spread * 0xD6E8FEB86659FD93U; };
    std::vector<Slot> free;
    for (Slot slot = 0; slot < 3000; ++slot) free.push_back(slot);
    std::vector<Slot> used;
    index_.clear();
    model_.clear();
    for (int i = 0; i < 60'000; ++i) {
      if (!free.empty() && (used.empty() || random() % 100 < (i / 10'000 % 2 == 0 ? 60U : 40U))) {
        insert(some_hash(), free.back());
        used.push_back(free.back());
        free.pop_back();
      } else {
        std::swap(used[random() % used.size()], used.back());
        erase(hashes_[used.back()], used.back());
        free.push_back(used.back());
        used.pop_back();
      }
      ASSERT_EQ(index_.size(), used.size());
      if (i % 50 == 0) check(some_hash());
    }
    for (const Slot slot : used) check(hashes_[slot]);
  }
}

TEST_F(IndexTest, SlotsPastSixteenBitsWidenItAndStay) {
  std::mt19937_64 random(2);
  most_ = 200'000;
  for (Slot slot = 0; slot < 90'000; ++slot) insert(random(), slot);
  for (const auto& [hash, slot] : model_) check(hash);
  for (Slot slot = 0; slot < 90'000; slot += 3) erase(hashes_[slot], slot);
  for (Slot slot = 0; slot < 90'000; slot += 3) insert(random(), slot + 100'000);
  for (const auto& [hash, slot] : model_) check(hash);
}

TEST_F(IndexTest, AFewSlotsOfHighNumbersAreEnoughToWidenIt) {
  for (Slot slot = 0; slot < 10; ++slot) insert(slot, slot);
  for (Slot slot = 65'530; slot < 65'545; ++slot) insert(slot, slot);
  for (const auto& [hash, slot] : model_) check(hash);
}

std::uint64_t no_hash(const void*, Slot) noexcept { return 0; }

TEST_F(IndexTest, GrowsInStepsToTheSizeThatWasAskedFor) {
  for (const std::size_t reach : {1U, 100'000U}) {
    for (const std::size_t most : {1U, 10U, 11U, 1000U, 1'000'000U}) {
      Index index;
      int steps = 0;
      for (; index.capacity() < most; ++steps) {
        const std::size_t before = index.capacity();
        index.prepare(most, reach);
        index.adopt(no_hash, nullptr);
        ASSERT_GT(index.capacity(), before);
        ASSERT_LE(index.capacity(), std::max<std::size_t>(26, most + 13));
      }
      EXPECT_LE(steps, 12);
    }
  }
}

// A fork may come while the table is replaced; what is cleared then is what is looked at.
TEST_F(IndexTest, ClearedInTheMiddleOfAdoptingIsEmptyAndUsable) {
  for (Slot slot = 0; slot < 10; ++slot) insert(hash_number(slot), slot);
  struct Fork {
    Index* index;
    int result = -1;
  } forked{&index_};
  index_.prepare(1000, 64);
  index_.adopt(
      [](const void* context, Slot slot) noexcept {
        auto& fork = *static_cast<Fork*>(const_cast<void*>(context));
        if (fork.result == -1) {
          fork.result = testing::in_child(10, [&fork] {
            const auto is = [](Slot wanted) { return [wanted](Slot at) { return at == wanted; }; };
            Index& index = *fork.index;
            index.clear();
            for (Slot at = 0; at < 10; ++at) {
              if (index.find(hash_number(at), is(at)) != no_slot) return 1;
            }
            index.insert(hash_number(40), 40);
            index.replace(hash_number(40), 40, 41);
            return index.find(hash_number(40), is(41)) == 41 ? 0 : 2;
          });
        }
        return hash_number(slot);
      },
      &forked);
  EXPECT_EQ(forked.result, 0);
}

TEST_F(IndexTest, TakesUnboundedTables) {
  index_.prepare(std::numeric_limits<Slot>::max() / 2, 1);
  index_.adopt(no_hash, nullptr);
  EXPECT_LT(index_.capacity(), 1000U);
}

}  // namespace
}  // namespace dcache::engine
