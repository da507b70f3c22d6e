// SPDX-License-Identifier: MIT
// Calls that a coroutine awaits.
#include <atomic>
#include <chrono>
#include <coroutine>
#include <exception>
#include <future>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "dcache/cache.hpp"
#include "dcache/engine/executor.hpp"
#include "dcache/memoize.hpp"
#include "support/folder.hpp"

namespace {

using namespace std::chrono_literals;
using dcache::engine::Executor;

// Starts at once and reports to a future.
template <class T>
struct Task {
  struct promise_type {
    std::promise<T> done;
    Task get_return_object() { return {done.get_future()}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    template <class U = T>
    void return_value(U&& value) {
      done.set_value(std::forward<U>(value));
    }
    void unhandled_exception() { done.set_exception(std::current_exception()); }
  };
  std::future<T> future;
};

template <class F>
Task<std::string> ask(const F& f, Executor& executor, std::string text) {
  std::string answer = co_await f.later(executor, text);
  co_return answer;
}

template <class F>
Task<std::thread::id> thread_after(const F& f, Executor& executor, std::string text) {
  static_cast<void>(co_await f.later(executor, text));
  co_return std::this_thread::get_id();
}

TEST(Later, GivesWhatTheCallGives) {
  Executor executor;
  std::atomic<int> runs{0};
  const auto f = dcache::memoize([&](const std::string& text) {
    ++runs;
    return text + "!";
  });
  EXPECT_EQ(ask(f, executor, "a").future.get(), "a!");
  EXPECT_EQ(ask(f, executor, "a").future.get(), "a!");
  EXPECT_EQ(f("a"), "a!");
  EXPECT_EQ(runs, 1);
}

TEST(Later, GoesOnAtOnceWithANearHitAndElseOnTheExecutor) {
  Executor executor;
  const auto f = dcache::memoize([](const std::string& text) { return text; });
  EXPECT_NE(thread_after(f, executor, "a").future.get(), std::this_thread::get_id());
  EXPECT_EQ(thread_after(f, executor, "a").future.get(), std::this_thread::get_id());
}

TEST(Later, RunsOneBodyForManyCoroutinesAndFarTiers) {
  const dcache::test::Folder folder;
  Executor executor;
  std::atomic<int> runs{0};
  const auto body = [&](const std::string& text) {
    ++runs;
    std::this_thread::sleep_for(50ms);
    return text;
  };
  const dcache::Cache cache({"memory:", "file://" + folder.path() + "/cache"});
  const auto f = cache.memoize("f", body);
  std::vector<Task<std::string>> tasks;
  tasks.reserve(8);
  for (int i = 0; i < 8; ++i) tasks.push_back(ask(f, executor, "a"));
  for (auto& task : tasks) EXPECT_EQ(task.future.get(), "a");
  EXPECT_EQ(ask(cache.memoize("f", body), executor, "a").future.get(), "a");
  EXPECT_EQ(runs, 1);
}

TEST(Later, ThrowsWhatTheBodyThrows) {
  Executor executor;
  const auto f = dcache::memoize(
      [](const std::string& text) -> std::string { throw std::runtime_error(text); });
  EXPECT_THROW(ask(f, executor, "a").future.get(), std::runtime_error);
}

TEST(Later, RunsHereWhereTheExecutorRefuses) {
  Executor executor;
  executor.close(1s);
  const auto f = dcache::memoize([](const std::string& text) { return text; });
  EXPECT_EQ(thread_after(f, executor, "a").future.get(), std::this_thread::get_id());
}

}  // namespace
