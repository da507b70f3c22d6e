// SPDX-License-Identifier: MIT
#include "dcache/engine/bias.hpp"

#include <atomic>
#include <cstdint>

#include <pthread.h>

#include "dcache/engine/fork.hpp"

#include "base/process_barrier.hpp"
#include "base/short_wait.hpp"

namespace dcache::engine {
namespace {

constexpr unsigned generation_shift = 48;
constexpr std::uint64_t below_generation = (std::uint64_t{1} << generation_shift) - 1;

std::uint64_t generation(std::uint64_t owner) noexcept { return owner >> generation_shift; }

// A thread that has ended leaves its place in memory to a later one, which then owns what it owned:
// this orders what the two do there.
constinit std::atomic<std::uint32_t> ended{0};
struct Ending {
  ~Ending() { ended.fetch_add(1, std::memory_order_release); }
};

pthread_once_t watched = PTHREAD_ONCE_INIT;
void watch_forks() {
  run_in_forked_child([] { bias_detail::self = bias_detail::unassigned; });
}

// No other thread is in the same place, and none of those that a fork left behind had been there in
// this generation.
std::uint64_t assign() noexcept {
  static thread_local Ending ending;
  static_cast<void>(&ending);
  static_cast<void>(ended.load(std::memory_order_acquire));
  pthread_once(&watched, watch_forks);
  const auto place = reinterpret_cast<std::uintptr_t>(&bias_detail::self) & below_generation;
  return bias_detail::self =
             static_cast<std::uint64_t>(fork_generation()) << generation_shift | place;
}

}  // namespace

// The owner has come for the first time or has lost it, or this is another thread.
bool Bias::settle() noexcept {
  const std::uint64_t self =
      bias_detail::self != bias_detail::unassigned ? bias_detail::self : assign();
  for (;;) {
    std::uint64_t seen = owner_.load(std::memory_order_acquire);
    if (seen == several) return false;
    if (seen == self) {
      if (enter_as(self)) return true;
    } else if (generation(seen) != generation(self)) {  // Nobody's, or left behind by a fork.
      owner_.compare_exchange_strong(seen, has_process_barrier() ? self : several);
    } else {
      take_away(seen, (self & ~below_generation) | taken_away);
    }
  }
}

// Who finds it taken away, but not yet given to all, does the rest itself: whoever began may have
// been left behind by a fork.
void Bias::take_away(std::uint64_t seen, std::uint64_t mark) noexcept {
  if (seen != mark && !owner_.compare_exchange_strong(seen, mark)) return;
  process_barrier();
  for (ShortWait wait; busy_.load(std::memory_order_acquire) != 0;) wait.pause();
  owner_.compare_exchange_strong(mark, several);
}

}  // namespace dcache::engine
