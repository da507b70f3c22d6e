// SPDX-License-Identifier: MIT
// Eight processes of fifty threads each ask for one cold key, a hundred times over: one body runs,
// in 99 trials of 100 at least, and everybody has its value.
#include <atomic>
#include <chrono>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dcache/backends/redis.hpp"
#include "dcache/cache.hpp"
#include "support/redis_server.hpp"

namespace {

using namespace std::chrono_literals;

constexpr int processes = 8, threads = 50, trials = 100;

// What the processes share.
struct Board {
  std::atomic<int> bodies{0}, wrong{0}, ready{0}, done{0}, trial{0};
};

int answer(int n) { return 3 * n + 1; }

void ask(std::uint16_t port, Board& board) {
  const auto redis = std::make_shared<dcache::RedisBackend>(
      dcache::RedisOptions{.host = "127.0.0.1", .port = port});
  const auto f = dcache::Cache({"memory:", redis}).memoize("cold", [&](int n) {
    ++board.bodies;
    std::this_thread::sleep_for(50ms);
    return answer(n);
  });
  for (int trial = 1; trial <= trials; ++trial) {
    ++board.ready;
    while (board.trial < trial) std::this_thread::sleep_for(1ms);
    std::vector<std::thread> all;
    all.reserve(threads);
    for (int thread = 0; thread < threads; ++thread) {
      all.emplace_back([&] { board.wrong += f(trial) == answer(trial) ? 0 : 1; });
    }
    for (std::thread& thread : all) thread.join();
    ++board.done;
  }
}

TEST(RedisSoak, OneBodyRunsForAllProcesses) {
  const dcache::test::RedisServer server;
  void* const shared =
      ::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(shared, MAP_FAILED);
  Board& board = *new (shared) Board;
  std::vector<pid_t> children;
  for (int process = 0; process < processes; ++process) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(500);
      ask(server.port(), board);
      _exit(0);
    }
    children.push_back(child);
  }
  int once = 0;
  for (int trial = 1; trial <= trials; ++trial) {
    while (board.ready < processes * trial) std::this_thread::sleep_for(1ms);
    board.bodies = 0;
    board.trial = trial;
    while (board.done < processes * trial) std::this_thread::sleep_for(1ms);
    once += board.bodies == 1 ? 1 : 0;
  }
  for (const pid_t child : children) waitpid(child, nullptr, 0);
  EXPECT_GE(once, 99);
  EXPECT_EQ(board.wrong, 0);
  RecordProperty("once", once);
}

}  // namespace
