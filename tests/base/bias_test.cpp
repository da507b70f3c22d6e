// SPDX-License-Identifier: MIT
#include "dcache/engine/bias.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "dcache/engine/lock.hpp"
#include "support/child.hpp"
#include "support/sanitized.hpp"
#include "support/threads.hpp"

namespace dcache::engine {
namespace {

using namespace std::chrono_literals;
using testing::in_child;
using testing::run_together;

bool alone(Bias& bias) {
  return bias.run([](bool alone) { return alone; });
}

bool alone_elsewhere(Bias& bias) {
  bool result = false;
  std::thread([&] { result = alone(bias); }).join();
  return result;
}

// What a biased lock protects: a number that is no atomic.
class Counter {
 public:
  /// True: this thread was alone.
  bool add() {
    const bool alone = bias_.enter();
    if (!alone) lock_.lock();
    ++count_;
    alone ? bias_.leave() : lock_.unlock();
    return alone;
  }
  int count() const { return count_; }

 private:
  Bias bias_;
  Lock lock_;
  int count_ = 0;
};

// A thread that stays where `enter` led it, until this goes. Then it does what `leave` says.
class OwnerInside {
 public:
  template <class Enter, class Leave>
  OwnerInside(const Enter& enter, const Leave& leave)
      : owner_([this, enter, leave] {
          enter();
          inside_ = true;
          while (!done_) std::this_thread::sleep_for(1ms);
          leave();
        }) {
    while (!inside_) std::this_thread::yield();
  }
  ~OwnerInside() {
    done_ = true;
    owner_.join();
  }
  OwnerInside(const OwnerInside&) = delete;
  OwnerInside& operator=(const OwnerInside&) = delete;

 private:
  std::atomic<bool> inside_{false};
  std::atomic<bool> done_{false};
  std::thread owner_;
};

TEST(Bias, IsThatOfTheFirstThreadAsLongAsNoOtherComes) {
  Bias bias;
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(alone(bias));
}

TEST(Bias, EndsForEverWithTheSecondThread) {
  Bias bias;
  EXPECT_TRUE(alone(bias));
  EXPECT_FALSE(alone_elsewhere(bias));
  EXPECT_FALSE(alone(bias));
  EXPECT_FALSE(alone_elsewhere(bias));
}

TEST(Bias, WhoComesWaitsUntilTheOwnerHasLeft) {
  Bias bias;
  ASSERT_TRUE(bias.enter());
  std::atomic<bool> in{false};
  std::thread other([&] { in = !alone(bias); });
  std::this_thread::sleep_for(50ms);
  EXPECT_FALSE(in);
  bias.leave();
  other.join();
  EXPECT_TRUE(in) << "and is not alone";
}

TEST(Bias, OfOneIsNotThatOfAnother) {
  Bias mine;
  Bias shared;
  EXPECT_TRUE(alone(mine));
  EXPECT_TRUE(alone(shared));
  EXPECT_FALSE(alone_elsewhere(shared));
  EXPECT_TRUE(alone(mine));
}

// An optimised build without the barrier loses some in two runs of three.
TEST(Bias, IsTakenAwayInTheMiddleOfWorkWithoutLoss) {
  constexpr int rounds = 10'000;
  std::vector<Counter> counters(rounds);
  std::atomic<int> begun{-1};
  std::atomic<int> ended{-1};
  std::thread second([&] {
    for (int round = 0; round < rounds; ++round) {
      while (begun < round) std::this_thread::yield();
      // At another moment each time.
      for (int i = 0; i < round * 7 % 97; ++i) std::atomic_signal_fence(std::memory_order_seq_cst);
      for (int i = 0; i < 50; ++i) counters[round].add();
      ended = round;
    }
  });
  for (int round = 0; round < rounds; ++round) {
    ASSERT_TRUE(counters[round].add());
    begun = round;
    for (int i = 0; i < 200; ++i) counters[round].add();
    while (ended < round) std::this_thread::yield();
    EXPECT_EQ(counters[round].count(), 251) << round;
  }
  second.join();
}

TEST(Bias, IsTakenAwayByManyAtOnceWithoutLoss) {
  for (int round = 0; round < 300; ++round) {
    Counter counter;
    run_together(5, [&](int) {
      for (int i = 0; i < 100; ++i) counter.add();
    });
    ASSERT_EQ(counter.count(), 500);
  }
}

// The place of a thread that has ended in memory goes to the next one.
TEST(Bias, ThreadsThatFollowEachOtherLoseNothing) {
  Counter counter;
  for (int i = 0; i < 200; ++i) std::thread([&] { counter.add(); }).join();
  EXPECT_EQ(counter.count(), 200);
}

TEST(Bias, StaysInAForkedChildOfItsOwner) {
  Bias bias;
  EXPECT_TRUE(alone(bias));
  EXPECT_EQ(in_child(10, [&] { return alone(bias) && alone(bias) ? 0 : 1; }), 0);
  EXPECT_TRUE(alone(bias)) << "and in the parent";
}

TEST(Bias, OfSeveralIsOfSeveralInAForkedChild) {
  Bias bias;
  EXPECT_TRUE(alone(bias));
  EXPECT_FALSE(alone_elsewhere(bias));
  EXPECT_EQ(in_child(10, [&] { return alone(bias) ? 1 : 0; }), 0);
}

TEST(Bias, OfAThreadThatTheForkLeftBehindInsideIsTakenOver) {
  Bias bias;
  Lock lock;
  const OwnerInside owner(
      [&] {
        EXPECT_TRUE(bias.enter());
        EXPECT_FALSE(lock.lock_alone());
      },
      [&] {
        lock.unlock();
        bias.leave();
      });

  EXPECT_EQ(in_child(10,
                     [&] {
                       if (!bias.enter()) return 1;       // Nobody else is in this process.
                       if (!lock.lock_alone()) return 2;  // It says in what state things are.
                       lock.unlock();
                       bias.leave();
                       return alone(bias) ? 0 : 3;
                     }),
            0);
}

TEST(Bias, ThatIsBeingTakenAwayIsTakenOverInAForkedChildToo) {
  Bias bias;
  std::thread waiting;
  {
    const OwnerInside owner([&] { EXPECT_TRUE(bias.enter()); }, [&] { bias.leave(); });
    waiting = std::thread([&] { EXPECT_FALSE(alone(bias)); });
    std::this_thread::sleep_for(50ms);

    EXPECT_EQ(in_child(10, [&] { return alone(bias) ? 0 : 1; }), 0);
  }
  waiting.join();
}

// Two threads of the child find what a thread of the parent left behind, at the same moment.
TEST(Bias, OfAThreadThatTheForkLeftBehindInsideMayBeTakenOverByTwoAtOnce) {
  if (testing::sanitized) GTEST_SKIP() << "its child has threads";
  std::vector<Bias> biases(100'000);
  const OwnerInside owner(
      [&] {
        for (Bias& bias : biases) EXPECT_TRUE(bias.enter());
      },
      [&] {
        for (Bias& bias : biases) bias.leave();
      });

  EXPECT_EQ(in_child(60,
                     [&] {
                       std::array<std::atomic<std::size_t>, 2> at{};
                       run_together(2, [&](int number) {
                         const auto me = static_cast<std::size_t>(number);
                         for (std::size_t i = 0; i < biases.size(); ++i) {
                           at[me] = i;
                           for (int look = 0; at[1 - me] < i; ++look) {
                             if (look > 3000) std::this_thread::yield();
                           }
                           alone(biases[i]);
                         }
                       });
                       return 0;
                     }),
            0);
}

// What a thread does at its very end is not ordered before what comes after it in its place.
TEST(Bias, IsNobodysInTheLastDestructorsOfAThread) {
  struct Last {
    Bias* bias = nullptr;
    bool* alone_at_end = nullptr;
    ~Last() { *alone_at_end = alone(*bias); }
  };
  Bias bias;
  bool alone_at_end = true;
  std::thread([&] {
    static thread_local Last last;  // Before the first entering, so it ends later than that.
    last.bias = &bias;
    last.alone_at_end = &alone_at_end;
    EXPECT_TRUE(alone(bias));
  }).join();
  EXPECT_FALSE(alone_at_end);
  EXPECT_FALSE(alone(bias));
}

}  // namespace
}  // namespace dcache::engine
