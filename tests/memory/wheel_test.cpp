// SPDX-License-Identifier: MIT
// The timer wheel against a model that looks at every deadline.
#include "dcache/engine/wheel.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace dcache::engine {
namespace {

constexpr Tick unit = 1024;
constexpr std::size_t slots = 200;

class WheelTest : public ::testing::Test {
 protected:
  WheelTest() { wheel_.cover(slots); }

  void plan(Slot slot, Tick deadline) {
    deadlines_[slot] = deadline;
    wheel_.plan(slot, deadline);
  }

  // Everything that is due at `now`, by as many calls as it takes.
  std::vector<Slot> due(Tick now, std::size_t steps_a_call = 1'000'000'000) {
    std::vector<Slot> found;
    for (;;) {
      std::size_t steps = steps_a_call;
      const Slot slot = wheel_.due(now, steps, [this](Slot s) { return deadlines_.at(s); });
      if (slot != no_slot) {
        found.push_back(slot);
      } else if (steps > 0) {
        return found;
      }
    }
  }

  Wheel wheel_{Layout{}};
  std::map<Slot, Tick> deadlines_;
};

TEST_F(WheelTest, FindsWhatIsPastAndNothingElse) {
  plan(1, 5000);
  plan(2, 90'000);
  EXPECT_TRUE(due(4999).empty());
  EXPECT_EQ(due(5000 + 2 * unit), std::vector<Slot>{1});
  EXPECT_TRUE(due(80'000).empty());
  EXPECT_EQ(due(90'000 + 2 * unit), std::vector<Slot>{2});
  EXPECT_TRUE(due(never - 1).empty());
}

TEST_F(WheelTest, ForgetsWhatIsCancelled) {
  plan(1, 1000);
  plan(2, 1000);
  wheel_.cancel(1);
  wheel_.cancel(1);
  wheel_.cancel(3);
  EXPECT_EQ(due(10'000), std::vector<Slot>{2});
}

TEST_F(WheelTest, NeverIsNoPlan) {
  plan(1, 1000);
  plan(1, never);
  EXPECT_TRUE(due(never - 1).empty());
}

TEST_F(WheelTest, ADeadlineThatMovedLaterIsLookedAtAgain) {
  plan(1, 1000);
  deadlines_[1] = 100'000;  // As a hit does: without telling the wheel.
  EXPECT_TRUE(due(50'000).empty());
  EXPECT_EQ(due(110'000), std::vector<Slot>{1});
}

TEST_F(WheelTest, LooksAtNoMoreThanItsSteps) {
  for (Slot slot = 0; slot < slots; ++slot) plan(slot, 1000);
  std::size_t steps = 10;
  int found = 0;
  while (wheel_.due(100'000, steps, [](Slot) { return Tick{1000}; }) != no_slot) ++found;
  EXPECT_EQ(steps, 0U);
  EXPECT_LE(found, 10);
}

TEST_F(WheelTest, AnEmptyWheelSkipsTimeAtOnce) {
  std::size_t steps = 1;
  EXPECT_EQ(wheel_.due(never - 1, steps, [](Slot) { return never; }), no_slot);
  EXPECT_EQ(steps, 1U);
  plan(1, never - 1);  // In the last unit: due only when that has passed, which no tick tells.
  EXPECT_TRUE(due(never - 1).empty());
}

TEST_F(WheelTest, AgreesWithTheModelOverAllItsRange) {
  for (unsigned seed = 0; seed < 30; ++seed) {
    wheel_.clear(0, slots);
    deadlines_.clear();
    std::map<Slot, Tick> model;
    std::mt19937_64 random(seed);
    std::uint64_t now = 0;
    while (now < 4'000'000'000U) {
      for (auto i = random() % 20; i > 0; --i) {
        const auto slot = static_cast<Slot>(random() % slots);
        const auto span = std::uint64_t{1} << random() % 31;
        const auto deadline =
            static_cast<Tick>(std::min<std::uint64_t>(now + random() % (span + 1) / 2, never - 1));
        if (random() % 4 == 0) {
          wheel_.cancel(slot);
          model.erase(slot);
        } else {
          plan(slot, deadline);
          model[slot] = deadline;
        }
      }
      now += random() % (std::uint64_t{1} << random() % 29);
      const auto tick = static_cast<Tick>(now);
      for (const Slot slot : due(tick, 1 + random() % 100)) {
        ASSERT_TRUE(model.contains(slot)) << "twice, or cancelled";
        ASSERT_LE(model[slot], tick) << "too early";
        model.erase(slot);
      }
      // At most the unit under way and the one a late planner was put in are left.
      for (const auto& [slot, deadline] : model)
        ASSERT_GT(std::uint64_t{deadline} + 2 * unit, tick) << "too late";
    }
  }
}

}  // namespace
}  // namespace dcache::engine
