// SPDX-License-Identifier: MIT
#include "dcache/engine/fork.hpp"

#include <cstdint>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace dcache::engine {
namespace {

// What `child` says in a forked process, as its exit status.
template <class F>
int in_child(F child) {
  const pid_t pid = fork();
  if (pid == 0) _exit(static_cast<int>(child()));
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(ForkGeneration, StaysTheSameInOneProcess) {
  const auto generation = fork_generation();
  EXPECT_NE(generation, 0U);
  EXPECT_EQ(in_child([] { return 0; }), 0);
  EXPECT_EQ(fork_generation(), generation) << "the parent does not notice";
}

TEST(ForkGeneration, GrowsByOneInAChildAndAgainInItsChild) {
  const auto generation = fork_generation();
  EXPECT_EQ(in_child([&] { return fork_generation() - generation; }), 1);
  EXPECT_EQ(in_child([&] {
              return in_child([&] { return static_cast<int>(fork_generation() - generation); });
            }),
            2);
}

TEST(ForkGeneration, IsOneNumberForAllThreads) {
  std::vector<std::uint32_t> seen(8);
  std::vector<std::thread> threads;
  threads.reserve(seen.size());
  for (auto& one : seen) threads.emplace_back([&one] { one = fork_generation(); });
  for (auto& thread : threads) thread.join();
  for (const auto one : seen) EXPECT_EQ(one, fork_generation());
}

}  // namespace
}  // namespace dcache::engine
