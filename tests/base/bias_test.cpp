// SPDX-License-Identifier: MIT
#include "dcache/engine/bias.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "dcache/engine/lock.hpp"
#include "support/child.hpp"
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
  std::atomic<bool> inside{false};
  std::atomic<bool> done{false};
  std::thread owner([&] {
    EXPECT_TRUE(bias.enter());
    EXPECT_FALSE(lock.lock_alone());
    inside = true;
    while (!done) std::this_thread::yield();
    lock.unlock();
    bias.leave();
  });
  while (!inside) std::this_thread::yield();

  EXPECT_EQ(in_child(10,
                     [&] {
                       if (!bias.enter()) return 1;       // Nobody else is in this process.
                       if (!lock.lock_alone()) return 2;  // It says in what state things are.
                       lock.unlock();
                       bias.leave();
                       return alone(bias) ? 0 : 3;
                     }),
            0);
  done = true;
  owner.join();
}

TEST(Bias, ThatIsBeingTakenAwayIsTakenOverInAForkedChildToo) {
  Bias bias;
  std::atomic<bool> inside{false};
  std::atomic<bool> done{false};
  std::thread owner([&] {
    EXPECT_TRUE(bias.enter());
    inside = true;
    while (!done) std::this_thread::yield();
    bias.leave();
  });
  while (!inside) std::this_thread::yield();
  std::thread waiting([&] { EXPECT_FALSE(alone(bias)); });
  std::this_thread::sleep_for(50ms);

  EXPECT_EQ(in_child(10, [&] { return alone(bias) ? 0 : 1; }), 0);
  done = true;
  owner.join();
  waiting.join();
}

}  // namespace
}  // namespace dcache::engine
