// SPDX-License-Identifier: MIT
#include "dcache/engine/lock.hpp"

#include <atomic>
#include <mutex>
#include <thread>

#include <gtest/gtest.h>

#include "support/child.hpp"
#include "support/threads.hpp"

namespace dcache::engine {
namespace {

using testing::in_child;
using testing::run_together;

TEST(Lock, IsOneThreadsAtATime) {
  Lock lock;
  int count = 0;  // No atomic: the lock is what protects it.
  run_together(4, [&](int) {
    for (int i = 0; i < 50'000; ++i) {
      const std::lock_guard held(lock);
      ++count;
    }
  });
  EXPECT_EQ(count, 200'000);
}

TEST(Lock, CanBeTriedWithoutWaiting) {
  Lock lock;
  EXPECT_TRUE(lock.try_lock());
  std::thread([&] { EXPECT_FALSE(lock.try_lock()); }).join();
  lock.unlock();
  EXPECT_TRUE(lock.try_lock());
  lock.unlock();
}

TEST(Lock, LetsEveryoneInWhoWaitsLong) {
  // The holder stays away long enough for all to sleep, round after round.
  Lock lock;
  std::atomic<int> inside{0};
  for (int round = 0; round < 50; ++round) {
    lock.lock();
    std::atomic<int> waiting{0};
    run_together(5, [&](int number) {
      if (number == 0) {
        while (waiting < 4) std::this_thread::yield();
        for (int i = 0; i < 200; ++i) std::this_thread::yield();
        lock.unlock();
        return;
      }
      ++waiting;
      EXPECT_FALSE(lock.lock());
      EXPECT_EQ(++inside, 1);
      --inside;
      lock.unlock();
    });
  }
  EXPECT_TRUE(lock.try_lock()) << "nobody has it at the end";
}

TEST(Lock, OfAThreadThatTheForkLeftBehindIsTakenOver) {
  Lock lock;
  EXPECT_FALSE(lock.lock());

  EXPECT_EQ(in_child(10,
                     [&] {
                       if (!lock.lock()) return 1;  // Says so.
                       lock.unlock();
                       if (lock.lock()) return 2;  // Once.
                       lock.unlock();
                       return 0;
                     }),
            0);
  lock.unlock();
  EXPECT_EQ(in_child(10, [&] { return lock.lock() ? 1 : 0; }), 0) << "a free one is just free";
}

TEST(Lock, IsTakenOverWithWaitersThatAreGoneToo) {
  Lock lock;
  lock.lock();
  std::atomic<bool> waiting{false};
  std::thread waiter([&] {
    waiting = true;
    lock.lock();
    lock.unlock();
  });
  while (!waiting) std::this_thread::yield();
  for (int i = 0; i < 1000; ++i) std::this_thread::yield();  // It sleeps; if not, that is fine too.

  EXPECT_EQ(in_child(10,
                     [&] {
                       const bool left = lock.lock();
                       lock.unlock();
                       return left ? 0 : 1;
                     }),
            0);
  lock.unlock();
  waiter.join();
}

}  // namespace
}  // namespace dcache::engine
