// SPDX-License-Identifier: MIT
#include "dcache/engine/executor.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <latch>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dcache/error.hpp"
#include "support/child.hpp"
#include "support/sanitized.hpp"

namespace dcache::engine {
namespace {

using namespace std::chrono_literals;
using testing::sanitized;
using testing::true_in_child;

void wait_until(const std::function<bool()>& true_at_last) {
  while (!true_at_last()) std::this_thread::yield();
}

TEST(Executor, RunsWhatIsSubmittedOnAThreadOfItsOwn) {
  Executor executor;
  std::latch done(1);
  std::thread::id where;
  std::array<char, 16> name{};
  ASSERT_TRUE(executor.submit([&] {
    where = std::this_thread::get_id();
    pthread_getname_np(pthread_self(), name.data(), name.size());
    done.count_down();
  }));
  done.wait();
  EXPECT_NE(where, std::this_thread::get_id());
  EXPECT_STREQ(name.data(), "dcache");
}

TEST(Executor, HasNoThreadBeforeTheFirstTask) {
  Executor executor;
  EXPECT_EQ(executor.threads(), 0U);
  EXPECT_TRUE(executor.close(0s));
  EXPECT_EQ(executor.threads(), 0U);
}

TEST(Executor, StartsThreadsAsNeededAndNoMoreThanAllowed) {
  Executor executor({.threads_max = 3});
  std::latch three_at_once(3);
  std::latch open(1);
  std::latch done(10);
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(executor.submit([&, i] {
      if (i < 3) three_at_once.count_down();
      open.wait();
      done.count_down();
    }));
  }
  three_at_once.wait();
  EXPECT_EQ(executor.threads(), 3U);
  open.count_down();
  done.wait();
  EXPECT_LE(executor.threads(), 3U);
}

TEST(Executor, OneThreadIsEnoughForTasksOneAfterTheOther) {
  Executor executor({.idle = 1h});
  std::mutex mutex;
  std::set<std::thread::id> threads;
  for (int i = 0; i < 20; ++i) {
    std::latch done(1);
    executor.submit([&] {
      {
        const std::scoped_lock held(mutex);
        threads.insert(std::this_thread::get_id());
      }
      done.count_down();
    });
    done.wait();
  }
  // A thread that has finished its task may not be waiting yet when the next one comes.
  EXPECT_LE(threads.size(), 4U);
}

TEST(Executor, RefusesWhatDoesNotFitIntoTheQueueAndDoesNotBlock) {
  std::latch running(1);
  std::latch open(1);
  Executor executor({.threads_max = 1, .queue_max = 2});  // Ends before what its tasks look at.
  executor.submit([&] {
    running.count_down();
    open.wait();
  });
  running.wait();

  EXPECT_TRUE(executor.submit([] {}));
  EXPECT_TRUE(executor.submit([] {}));
  const auto owned = std::make_shared<int>(1);
  EXPECT_FALSE(executor.submit([owned] {}));
  EXPECT_EQ(owned.use_count(), 1) << "a refused task is destroyed";
  open.count_down();
}

TEST(Executor, ThreadsEndWhenThereIsNothingToDoAndComeAgain) {
  Executor executor({.idle = 1ms});
  for (int round = 0; round < 3; ++round) {
    std::latch done(1);
    ASSERT_TRUE(executor.submit([&] { done.count_down(); }));
    done.wait();
    wait_until([&] { return executor.threads() == 0; });
  }
}

TEST(Executor, NoTaskIsLostWhileThreadsEnd) {
  Executor executor({.threads_max = 2, .idle = 0ns});
  std::atomic<int> ran{0};
  for (int i = 0; i < 2000; ++i) {
    ASSERT_TRUE(executor.submit([&] { ++ran; }));
    wait_until([&] { return ran == i + 1; });
  }
}

TEST(Executor, TaskThatThrowsIsSwallowedAndCounted) {
  Executor executor;
  std::latch done(1);
  executor.submit([] { throw std::runtime_error("no"); });
  executor.submit([] { throw 1; });
  executor.submit([&] { done.count_down(); });
  done.wait();
  wait_until([&] { return executor.failures() == 2; });
}

TEST(Executor, TaskIsDestroyedAsSoonAsItHasRun) {
  Executor executor({.idle = 1h});
  auto owned = std::make_shared<int>(1);
  executor.submit([owned] {});
  wait_until([&] { return owned.use_count() == 1; });
}

TEST(Executor, CloseDropsWhatIsQueuedAndWaitsForWhatRuns) {
  Executor executor({.threads_max = 1});
  std::latch running(1);
  std::latch is_queued(1);
  std::atomic<bool> finished{false};
  const auto queued = std::make_shared<int>(1);
  // The running task ends because the queued one is dropped: dropping comes before waiting.
  executor.submit([&] {
    running.count_down();
    is_queued.wait();
    wait_until([&] { return queued.use_count() == 1; });
    finished = true;
  });
  running.wait();
  executor.submit([queued] { ADD_FAILURE() << "ran"; });
  is_queued.count_down();

  EXPECT_TRUE(executor.close(1h));
  EXPECT_TRUE(finished);
  EXPECT_EQ(executor.threads(), 0U);
  EXPECT_FALSE(executor.submit([] {}));
  EXPECT_TRUE(executor.close(0s)) << "again";
}

TEST(Executor, CloseGivesUpAtItsTimeoutAndTheTaskMayOutliveTheExecutor) {
  auto executor = std::make_unique<Executor>();
  auto running = std::make_shared<std::latch>(1);
  auto open = std::make_shared<std::latch>(1);
  const auto owned = std::make_shared<int>(1);
  executor->submit([running, open, owned] {
    running->count_down();
    open->wait();
  });
  running->wait();
  EXPECT_FALSE(executor->close(1ms));
  EXPECT_FALSE(executor->close(-1ms));

  std::thread destroyer([&] { executor.reset(); });
  open->count_down();
  destroyer.join();
  wait_until([&] { return owned.use_count() == 1; });
}

TEST(Executor, DestructionCloses) {
  std::atomic<bool> finished{false};
  {
    Executor executor;
    std::latch running(1);
    executor.submit([&] {
      running.count_down();
      finished = true;
    });
    running.wait();
  }
  EXPECT_TRUE(finished);
}

TEST(Executor, TaskMaySubmitToAndCloseItsOwnExecutor) {
  Executor executor({.threads_max = 1});
  std::latch done(1);
  std::atomic<bool> closed{false};
  executor.submit([&] {
    EXPECT_TRUE(executor.submit([&] {
      closed = executor.close(1h);
      done.count_down();
    }));
  });
  done.wait();
  EXPECT_TRUE(closed) << "it does not wait for itself";
}

TEST(Executor, OptionsOutOfTheirBoundsAreAnErrorAtOnce) {
  EXPECT_THROW(Executor({.threads_max = 0}), ConfigError);
  EXPECT_THROW(Executor({.queue_max = 0}), ConfigError);
  EXPECT_THROW(Executor({.idle = -1ns}), ConfigError);
  const Executor longest({.idle = std::chrono::nanoseconds::max()});
}

TEST(Executor, ForkedChildHasNoThreadsAnEmptyQueueAndWorks) {
  if (sanitized) GTEST_SKIP() << "forks among threads";
  Executor executor({.threads_max = 1});
  std::latch running(1);
  std::latch open(1);
  std::atomic<int> ran{0};
  executor.submit([&] {
    running.count_down();
    open.wait();
  });
  running.wait();
  executor.submit([&] { ++ran; });

  EXPECT_TRUE(true_in_child([&] {
    if (executor.threads() != 0 || executor.failures() != 0) return false;
    std::latch done(1);
    if (!executor.submit([&] { done.count_down(); })) return false;
    done.wait();
    return ran == 0 && executor.close(10s);
  }));
  EXPECT_EQ(ran, 0);
  open.count_down();
  wait_until([&] { return ran == 1; });
}

TEST(Executor, ChildForkedWhileOthersSubmitWorks) {
  if (sanitized) GTEST_SKIP() << "forks among threads";
  Executor executor({.idle = 0ns});
  std::atomic<bool> stop{false};
  std::thread busy([&] {
    while (!stop) executor.submit([] {});
  });
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(true_in_child([&] {
      std::latch done(1);
      const bool taken = executor.submit([&] { done.count_down(); });
      if (taken) done.wait();
      return taken;
    }));
  }
  stop = true;
  busy.join();
}

TEST(Executor, ChildForkedByATaskMaySubmitToo) {
  if (sanitized) GTEST_SKIP() << "forks among threads";
  Executor executor;
  std::latch done(1);
  executor.submit([&] {
    EXPECT_TRUE(true_in_child([&] {
      std::latch there(1);
      executor.submit([&] { there.count_down(); });
      there.wait();
      return true;
    }));
    done.count_down();
  });
  done.wait();
}

TEST(Background, IsOneForTheProcessAndClosedWithinAMomentAtExit) {
  if (sanitized) GTEST_SKIP() << "forks among threads";
  EXPECT_EQ(&background(), &background());
  const auto begun = std::chrono::steady_clock::now();
  const pid_t pid = fork();
  if (pid == 0) {
    static std::latch running(4);
    static std::latch never(1);
    for (int i = 0; i < 4; ++i) {
      background().submit([] {
        running.count_down();
        never.wait();
      });
    }
    running.wait();
    for (int i = 0; i < 4; ++i) background().submit([] { _exit(2); });
    std::exit(0);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_GE(std::chrono::steady_clock::now() - begun, 100ms);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 20s);
}

}  // namespace
}  // namespace dcache::engine
