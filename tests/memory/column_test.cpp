// SPDX-License-Identifier: MIT
// Where the entries of a shard lie: in one piece as far as the shard's bound, in chunks beyond.
#include "dcache/engine/column.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

namespace dcache::engine {
namespace {

constexpr std::size_t bounds[] = {1,      2,      63,     64,      100,     1000,
                                  62'500, 65'535, 65'536, 100'000, 5000'000};

TEST(Layout, ABoundedShardThatIsFullLiesInOnePiece) {
  for (const std::size_t entries : bounds) {
    if (entries > 65'000) break;
    EXPECT_GT(Layout::of(entries, false, 16).first, entries) << "one more than there are entries";
    EXPECT_GT(Layout::of(entries, true, 48).first, entries);
  }
}

TEST(Layout, SetsNoMoreAsideThanAKnownNumberOfSlots) {
  constexpr std::size_t none = std::numeric_limits<Slot>::max() / 2;
  EXPECT_EQ(Layout::of(1'000'000'000, true, 48).first, 65'536U);
  EXPECT_EQ(Layout::of(none, false, 16).first, 8192U);
  EXPECT_EQ(Layout::of(std::numeric_limits<std::size_t>::max(), true, 48).first, 8192U);
}

TEST(Layout, SetsNoMoreAsideThanMebibytesForLargeCells) {
  for (const std::size_t size : {200U, 4096U, 1U << 20U}) {
    const std::size_t slots = Layout::of(10'000'000, true, size).first;
    EXPECT_GT(slots, 0U);
    EXPECT_LE(slots * size, std::size_t{8} << 20U);
  }
  EXPECT_EQ(Layout::of(1000, true, 1U << 30U).first, 1U);
}

TEST(Layout, ReachesAsFarAsAskedAndAnEighthOrAChunkFurther) {
  for (const std::size_t entries : bounds) {
    const Layout layout = Layout::of(entries, false, 16);
    const std::size_t chunk = std::size_t{1} << layout.shift;
    std::size_t last = 0;
    for (std::size_t slots = 1; slots < 200'000; slots += 1 + slots / 100) {
      const std::size_t reach = layout.reach(slots);
      ASSERT_GE(reach, slots);
      ASSERT_GE(reach, last);
      ASSERT_EQ(layout.reach(reach), reach);
      ASSERT_LT(reach - slots,
                slots <= layout.first ? std::max<std::size_t>(64, slots / 8) : chunk);
      last = reach;
    }
  }
}

// Not zero at first, and larger than it looks.
struct alignas(32) Element {
  std::atomic<std::uint32_t> value{7};
};

class ColumnTest : public ::testing::TestWithParam<std::size_t> {
 protected:
  const Layout layout_ = Layout::of(GetParam(), false, sizeof(Element));
};
INSTANTIATE_TEST_SUITE_P(Of, ColumnTest, ::testing::Values(1, 64, 100, 3000));

TEST_P(ColumnTest, EveryElementBeginsAsItsTypeSaysAndNeverMoves) {
  Column<Element> column(layout_);
  EXPECT_FALSE(column.exists());
  EXPECT_EQ(column.size(), 0U);
  std::vector<Element*> places;
  while (places.size() < 10'000) {
    column.cover(places.size() + 1);
    ASSERT_TRUE(column.exists());
    ASSERT_EQ(column.size(), layout_.reach(places.size() + 1));
    while (places.size() < column.size()) {
      const auto slot = static_cast<Slot>(places.size());
      Element& element = column[slot];
      ASSERT_EQ(element.value.exchange(slot), 7U) << slot;
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>(&element) % alignof(Element), 0U);
      places.push_back(&element);
    }
  }
  for (Slot slot = 0; slot < places.size(); ++slot) {
    ASSERT_EQ(&column[slot], places[slot]);
    ASSERT_EQ(&column.held(slot), places[slot]);
    ASSERT_EQ(&column.at(column.place(slot)), places[slot]);
    ASSERT_EQ(places[slot]->value, slot);
  }
}

TEST_P(ColumnTest, OneThatComesLateReachesAsFarAtOnce) {
  Column<Element> early(layout_);
  for (std::size_t slots = 1; slots <= 9000; ++slots) early.cover(slots);
  Column<Element> late(layout_);
  late.cover(early.size());
  ASSERT_EQ(late.size(), early.size());
  for (Slot slot = 0; slot < late.size(); ++slot) ASSERT_EQ(late.at(early.place(slot)).value, 7U);
}

TEST_P(ColumnTest, WhatItsHolderAloneLooksAtReachesAsFar) {
  Column<Element> column(layout_);
  std::vector<int> property;
  for (std::size_t slots = 1; slots <= 9000; ++slots) {
    column.cover(slots);
    layout_.extend(property, slots);
    ASSERT_EQ(property.size(), column.size());
    ASSERT_EQ(property[slots - 1], 0);
    property[slots - 1] = 1;
  }
}

}  // namespace
}  // namespace dcache::engine
