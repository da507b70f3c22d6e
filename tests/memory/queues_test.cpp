// SPDX-License-Identifier: MIT
// The policy's parts: queues, ghost, monitor.
#include "dcache/engine/queues.hpp"

#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "dcache/engine/ghost.hpp"
#include "dcache/engine/hash.hpp"
#include "dcache/engine/monitor.hpp"
#include "support/threads.hpp"

namespace dcache::engine {
namespace {

using testing::run_together;

std::vector<Slot> slots_of(const Queues& queues) {
  std::vector<Slot> slots;
  queues.for_each([&](Slot slot, int) { slots.push_back(slot); });
  return slots;
}

class QueuesTest : public ::testing::TestWithParam<Policy> {
 protected:
  QueuesTest() { nodes_.cover(512); }
  NodeTable nodes_{Layout{}, true};
  Queues queues_{nodes_, GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Of, QueuesTest, ::testing::Values(Policy::adaptive, Policy::lru));

TEST_P(QueuesTest, EmptyOnesHaveNothingToGive) {
  EXPECT_EQ(queues_.victim().slot, no_slot);
  EXPECT_EQ(queues_.any(), no_slot);
  EXPECT_TRUE(slots_of(queues_).empty());
}

TEST_P(QueuesTest, WeightlessEntriesAreNoVictims) {
  queues_.set_capacity(10);
  nodes_.set_weight(1, 0);
  queues_.insert(1, false);
  EXPECT_EQ(queues_.victim().slot, no_slot);
  EXPECT_EQ(queues_.any(), 1U);

  queues_.reweigh(1, 5);
  EXPECT_EQ(queues_.weight(), 5U);
  EXPECT_EQ(queues_.victim().slot, 1U);
}

TEST_P(QueuesTest, NobodysTurnChangesWhereANewcomerTakesTheSlotOfWhoLeft) {
  NodeTable other_nodes(Layout{}, true);
  other_nodes.cover(512);
  Queues others(other_nodes, GetParam());
  const auto both = [&](const auto& change) {
    change(queues_, nodes_);
    change(others, other_nodes);
  };
  both([](Queues& queues, NodeTable&) { queues.set_capacity(200); });
  std::mt19937_64 random(2);
  for (Slot slot = 0; slot < 200; ++slot) {
    both([slot](Queues& queues, NodeTable& nodes) {
      nodes.set_weight(slot, 1);
      queues.insert(slot, false);
    });
  }
  Slot elsewhere = 200;  // In no queue.
  for (int i = 0; i < 30'000; ++i) {
    if (random() % 500 == 0) {
      const Knobs knobs = configurations[random() % 4];
      both([knobs](Queues& queues, NodeTable&) { queues.set_knobs(knobs); });
    }
    for (const auto range : {200U, 20U}) {
      const auto slot = static_cast<Slot>(random() % range);
      if (slot != elsewhere) both([slot](Queues& queues, NodeTable&) { queues.touch(slot); });
    }
    const Victim victim = queues_.victim(true);
    const Victim same = others.victim();
    ASSERT_EQ(victim.slot, same.slot) << i;
    ASSERT_EQ(victim.remember, same.remember);
    const auto weight = static_cast<std::uint32_t>(random() % 100 != 0);
    const bool from_ghost = random() % 4 == 0;
    const bool kept = random() % 20 == 0;  // Somebody still reads it.
    const Slot slot = kept ? std::exchange(elsewhere, victim.slot) : victim.slot;
    both([&](Queues& queues, NodeTable& nodes) {
      if (kept) queues.unlink_vacated();
      nodes.set_weight(slot, weight);
      queues.insert(slot, from_ghost);
      if (weight == 0) queues.reweigh(slot, 1);
    });
    ASSERT_EQ(queues_.weight(), others.weight());
    if (i % 100 == 0) {
      ASSERT_EQ(slots_of(queues_), slots_of(others)) << i;
    }
  }
}

// A fork may catch a change between its victim and its newcomer.
TEST_P(QueuesTest, ForgetWhoIsOnTheWayOutWhenTheyAreCleared) {
  queues_.set_capacity(100);
  for (Slot slot = 0; slot < 100; ++slot) {
    nodes_.set_weight(slot, 1);
    queues_.insert(slot, false);
  }
  const Slot gone = queues_.victim(true).slot;
  queues_.clear();
  const Slot other = gone == 0 ? 1 : 0;
  queues_.insert(other, false);
  queues_.insert(gone, false);
  const auto slots = slots_of(queues_);
  EXPECT_EQ(std::set<Slot>(slots.begin(), slots.end()), (std::set<Slot>{gone, other}));
}

TEST_P(QueuesTest, KnowTheirEntriesAndWeightsThroughEverything) {
  std::mt19937_64 random(1);
  std::map<Slot, std::uint32_t> model;
  const auto check = [&] {
    const auto slots = slots_of(queues_);
    ASSERT_EQ(std::set<Slot>(slots.begin(), slots.end()).size(), slots.size()) << "one twice";
    ASSERT_EQ(slots.size(), model.size());
    std::uint64_t weight = 0;
    for (const auto& [slot, one] : model) weight += one;
    ASSERT_EQ(queues_.weight(), weight);
  };
  for (int i = 0; i < 30'000; ++i) {
    const auto slot = static_cast<Slot>(random() % 300);
    const auto weight = static_cast<std::uint32_t>(random() % 6 * (random() % 20));
    const bool present = model.contains(slot);
    switch (random() % 8) {
      case 0: {
        const Victim victim = queues_.victim();
        if (victim.slot != no_slot) {
          ASSERT_EQ(model.count(victim.slot), 1U);
          ASSERT_NE(model[victim.slot], 0U);
          model.erase(victim.slot);
        } else {
          for (const auto& [one, its_weight] : model) ASSERT_EQ(its_weight, 0U);
        }
        break;
      }
      case 1:
        if (present) queues_.erase(slot), model.erase(slot);
        break;
      case 2:
        if (present) queues_.reweigh(slot, weight), model[slot] = weight;
        break;
      case 3:
        if (present) queues_.touch(slot);
        break;
      case 4: {
        const auto to = static_cast<Slot>(slot + 200);
        if (!present || model.contains(to)) break;
        nodes_.set_weight(to, weight);
        queues_.succeed(slot, to);
        model.erase(slot);
        model[to] = weight;
        break;
      }
      case 5:
        if (random() % 100 == 0) queues_.set_capacity(1 + random() % 2000);
        if (random() % 100 == 0) queues_.set_knobs(configurations[random() % 4]);
        break;
      default:
        if (present) break;
        nodes_.set_weight(slot, weight);
        queues_.insert(slot, random() % 4 == 0);
        model[slot] = weight;
    }
    if (i % 20 == 0) check();
  }
  for (Slot victim = 0; (victim = queues_.victim().slot) != no_slot;) model.erase(victim);
  check();
  for (const auto& [slot, weight] : model) EXPECT_EQ(weight, 0U);
  queues_.clear();
  EXPECT_TRUE(slots_of(queues_).empty());
}

TEST_P(QueuesTest, AVictimIsFoundThoughAllAreHot) {
  queues_.set_capacity(100);
  for (Slot slot = 0; slot < 100; ++slot) {
    nodes_.set_weight(slot, 1);
    queues_.insert(slot, true);
    for (int i = 0; i < 5; ++i) nodes_.hit(nodes_.place(slot));
  }
  for (int i = 0; i < 100; ++i) EXPECT_NE(queues_.victim().slot, no_slot);
}

TEST(Ghost, RemembersAboutAsManyAsItHasPlaces) {
  Ghost ghost;
  EXPECT_FALSE(ghost.take(1)) << "nothing before the first resize";
  ghost.remember(1);
  ghost.resize(1000);
  std::mt19937_64 random(1);
  std::vector<std::uint64_t> hashes(2000);
  for (auto& hash : hashes) ghost.remember(hash = random());

  int known = 0;
  for (std::size_t i = 1500; i < 2000; ++i) known += ghost.take(hashes[i]) ? 1 : 0;
  int again = 0;
  for (std::size_t i = 1500; i < 2000; ++i) again += ghost.take(hashes[i]) ? 1 : 0;
  int strangers = 0;
  for (int i = 0; i < 10'000; ++i) strangers += ghost.take(random()) ? 1 : 0;

  EXPECT_GT(known, 400);
  EXPECT_LT(again, 10) << "who was taken is forgotten";
  EXPECT_LT(strangers, 20);
}

TEST(Ghost, ForgetsAllWhenCleared) {
  Ghost ghost;
  ghost.clear();
  ghost.resize(64);
  ghost.remember(12345);
  ghost.clear();
  EXPECT_FALSE(ghost.take(12345));
  EXPECT_EQ(ghost.capacity(), 64U);
}

TEST(Ghost, AHashWhosePrintIsZeroIsNoStranger) {
  Ghost ghost;
  ghost.resize(64);
  ghost.remember(0);
  EXPECT_TRUE(ghost.take(0));
  EXPECT_FALSE(ghost.take(0));
}

void request(Monitor& monitor, std::uint64_t key) {
  const auto hash = Hash<std::uint64_t>{}(key);
  if (!monitor.sampled(hash)) return;
  monitor.note(hash);
  monitor.learn();
}

TEST(Monitor, StaysWithTheDefaultWithoutACapacity) {
  Monitor monitor(0);
  const Knobs before = monitor.knobs();
  for (std::uint64_t i = 0; i < 100'000; ++i) request(monitor, i % 1000);
  EXPECT_EQ(monitor.knobs(), before);
}

TEST(Monitor, LearnsWhatSuitsALoop) {
  Monitor monitor(1000);
  const Knobs before = monitor.knobs();
  for (std::uint64_t i = 0; i < 2'000'000; ++i) request(monitor, i % 1300);
  EXPECT_LT(monitor.knobs().small_percent, before.small_percent) << "newcomers are no use";
}

TEST(Monitor, SamplesFewerOfMore) {
  const auto sampled = [](std::size_t capacity) {
    Monitor monitor(capacity);
    int count = 0;
    for (std::uint64_t i = 0; i < 100'000; ++i) {
      count += monitor.sampled(Hash<std::uint64_t>{}(i)) ? 1 : 0;
    }
    return count;
  };
  EXPECT_EQ(sampled(0), 0);
  EXPECT_EQ(sampled(50), 100'000);
  EXPECT_GT(sampled(1000), 3000);
  EXPECT_LT(sampled(1'000'000), 100);
}

TEST(Monitor, MayBeUsedByAllAtOnce) {
  Monitor monitor(1000);
  run_together(4, [&](int number) {
    std::mt19937_64 random(static_cast<unsigned>(number));
    for (int i = 0; i < 20'000; ++i) {
      request(monitor, random() % 3000);
      if (i % 1000 == 0) monitor.resize(500 + random() % 1000);
      ASSERT_LE(monitor.knobs().small_percent, 100);
    }
  });
}

}  // namespace
}  // namespace dcache::engine
