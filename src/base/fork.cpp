// SPDX-License-Identifier: MIT
#include "dcache/engine/fork.hpp"

#include <pthread.h>

#include "dcache/engine/bias.hpp"

namespace dcache::engine {

void run_in_forked_child(void (*run)()) noexcept { pthread_atfork(nullptr, nullptr, run); }

}  // namespace dcache::engine

namespace dcache::engine::fork_detail {

std::atomic<std::uint32_t> count{0};

namespace {

pthread_once_t watched = PTHREAD_ONCE_INIT;

// Runs between fork and whatever comes next in the child: nothing but an atomic is allowed here.
void count_fork() {
  count.fetch_add(1, std::memory_order_relaxed);
  bias_detail::self = bias_detail::unassigned;  // Of the generation before.
}

void register_handler() {
  pthread_atfork(nullptr, nullptr, count_fork);
  // In a child that was forked between the two lines the handler has counted already.
  std::uint32_t none = 0;
  count.compare_exchange_strong(none, 1, std::memory_order_relaxed);
}

}  // namespace

std::uint32_t watch() noexcept {
  // pthread_once, not a static local: glibc runs it again in a child that was forked while another
  // thread was inside, where the guard of a static would wait for that thread for ever.
  pthread_once(&watched, register_handler);
  return count.load(std::memory_order_relaxed);
}

}  // namespace dcache::engine::fork_detail
