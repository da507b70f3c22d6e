// SPDX-License-Identifier: MIT
// Alone in its program, because the threads of a process are counted.
#include <atomic>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <iterator>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <unistd.h>

#include "dcache/memoize.hpp"
#include "support/gate.hpp"

namespace dcache {
namespace {

using namespace std::chrono_literals;

constexpr const char* tasks = "/proc/self/task";

std::filesystem::path task(pid_t thread) {
  return std::filesystem::path(tasks) / std::to_string(thread);
}

std::ptrdiff_t threads() { return std::distance(std::filesystem::directory_iterator(tasks), {}); }

TEST(MemoizeThreads, ThereAreNoneBeforeTheFirstRefreshIsDue) {
  // With the first one a sanitizer may start one of its own.
  pid_t first = 0;
  std::thread([&] { first = gettid(); }).join();
  // The kernel lists a thread for a moment after it was joined.
  testing::wait_until([&] { return !std::filesystem::exists(task(first)); });
  const auto before = threads();
  ManualClock clock;
  testing::Gate gate;
  std::atomic<bool> held{false};
  std::atomic<bool> refreshed{false};
  const auto function = memoize(
      [&](int n) {
        if (held) gate.pass();
        return n;
      },
      {.ttl = 10s,
       .stale_for = 1h,
       .refresh_ahead = 0.8,
       .on_background =
           [&](const std::function<void()>& run) {
             run();
             refreshed = true;
           },
       .clock = &clock});

  function(1);
  function(2);
  clock.advance(7s);
  function(1);
  function.refresh(2);
  EXPECT_EQ(threads(), before);

  clock.advance(1s);
  held = true;
  function(1);
  gate.wait_until_reached();
  EXPECT_EQ(threads(), before + 1);
  gate.open();
  testing::wait_until([&] { return refreshed.load(); });
}

}  // namespace
}  // namespace dcache
