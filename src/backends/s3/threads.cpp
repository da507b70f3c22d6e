// SPDX-License-Identifier: MIT
#include "backends/s3/threads.hpp"

#include <chrono>
#include <cstdlib>
#include <mutex>
#include <set>
#include <utility>

#include "dcache/engine/executor.hpp"
#include "dcache/engine/lock.hpp"

#include "base/per_process.hpp"

namespace dcache::http {
namespace {

using namespace std::chrono_literals;

constexpr auto patience_at_exit = 100ms;

struct Threads {
  engine::Executor executor{
      {.threads_max = 256, .queue_max = 256, .idle = 10s, .name = "dcache-http"}};
  engine::Lock lock;
  engine::PerProcess<std::set<Leaving*>> driven;  // Guarded by lock.
  bool leaves = false;                            // Guarded by lock: the process ends.
};

Threads& threads();

void leave_at_exit() {
  Threads& all = threads();
  {
    const std::lock_guard lock(all.lock);
    all.leaves = true;
    for (Leaving* const each : all.driven.get()) each->leave_for_good();
  }
  all.executor.close(patience_at_exit);
}

Threads& threads() {
  static auto* const only = [] {
    auto* const made = new Threads;
    std::atexit(leave_at_exit);
    return made;
  }();
  return *only;
}

}  // namespace

Driven::Driven(Leaving& what) : what_(what) {
  Threads& all = threads();
  const std::lock_guard lock(all.lock);
  all.driven.get().insert(&what_);
}

// What leaves for good is on its way with something, for nobody: it stays in the list, where who
// looks for leaks finds it.
Driven::~Driven() {
  Threads& all = threads();
  const std::lock_guard lock(all.lock);
  if (!all.leaves) all.driven.get().erase(&what_);
}

bool run_on_thread(std::function<void()> task) noexcept {
  return threads().executor.submit(std::move(task));
}

}  // namespace dcache::http
