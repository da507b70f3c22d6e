// SPDX-License-Identifier: MIT
// Threads that begin together.
#pragma once

#include <latch>
#include <thread>
#include <vector>

namespace dcache::testing {

/// Runs `work(number)` on `count` threads at once and returns when all have ended.
template <class Work>
void run_together(int count, const Work& work) {
  std::latch start(count);
  std::vector<std::jthread> threads;
  for (int number = 0; number < count; ++number) {
    threads.emplace_back([&start, &work, number] {
      start.arrive_and_wait();
      work(number);
    });
  }
}

}  // namespace dcache::testing
