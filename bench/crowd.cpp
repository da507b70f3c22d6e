// SPDX-License-Identifier: MIT
#include "crowd.hpp"

#include <atomic>
#include <cstdint>
#include <thread>
#include <utility>

namespace dcache::bench {

std::size_t Crowd::add(std::function<void(unsigned thread)> operation) {
  ways_.push_back({std::move(operation), {}});
  return ways_.size() - 1;
}

void Crowd::run(std::size_t rounds) {
  for (std::size_t round = 0; round < rounds; ++round) {
    for (Way& way : ways_) way.rates.push_back(rate(way));
  }
}

double Crowd::rate(const Way& way) const {
  using Clock = std::chrono::steady_clock;
  struct alignas(64) Count {
    std::atomic<std::uint64_t> done{0};
  };
  std::vector<Count> counts(threads_);
  const auto sum = [&] {
    std::uint64_t done = 0;
    for (const Count& each : counts) done += each.done.load(std::memory_order_relaxed);
    return done;
  };
  std::atomic<bool> stops{false};
  std::vector<std::jthread> threads;
  for (unsigned thread = 0; thread < threads_; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::uint64_t done = 1; !stops.load(std::memory_order_relaxed); ++done) {
        way.operation(thread);
        counts[thread].done.store(done, std::memory_order_relaxed);
      }
    });
  }
  std::this_thread::sleep_for(warm_up);
  const std::uint64_t before = sum();
  const Clock::time_point began = Clock::now();
  std::this_thread::sleep_for(slice);
  const std::uint64_t after = sum();
  const std::chrono::duration<double> took = Clock::now() - began;
  stops.store(true, std::memory_order_relaxed);
  threads.clear();
  return static_cast<double>(after - before) / took.count();
}

}  // namespace dcache::bench
