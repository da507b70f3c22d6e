// SPDX-License-Identifier: MIT
#include "dcache/engine/bias.hpp"

#include <atomic>
#include <cstdint>

#include "dcache/engine/fork.hpp"

#include "base/process_barrier.hpp"
#include "base/short_wait.hpp"

namespace dcache::engine {
namespace {

constexpr unsigned generation_shift = 48;
constexpr std::uint64_t below_generation = (std::uint64_t{1} << generation_shift) - 1;

std::uint64_t generation(std::uint64_t owner) noexcept { return owner >> generation_shift; }

// A thread that has ended leaves its place in memory to a later one, which then owns what it owned:
// this orders what the two do there. What a thread does after it owns nothing any more.
constinit std::atomic<std::uint32_t> ended{0};
thread_local constinit bool ending = false;
struct Ending {
  ~Ending() {
    ending = true;
    bias_detail::self = bias_detail::unassigned;
    ended.fetch_add(1, std::memory_order_release);
  }
};

// No other thread is in the same place, and none of those that a fork left behind had been there in
// this generation.
std::uint64_t self() noexcept {
  const auto place = reinterpret_cast<std::uintptr_t>(&bias_detail::self) & below_generation;
  const std::uint64_t generation = fork_generation();
  return generation << generation_shift | place;
}

bool may_own() noexcept {
  if (ending || !has_process_barrier()) return false;
  static thread_local const Ending at_end;
  static_cast<void>(&at_end);
  static_cast<void>(ended.load(std::memory_order_acquire));
  return true;
}

}  // namespace

// The owner has come for the first time or has lost it, or this is another thread.
bool Bias::settle() noexcept {
  const std::uint64_t me = self();
  const bool owns = may_own();
  if (owns) bias_detail::self = me;
  for (;;) {
    std::uint64_t seen = owner_.load(std::memory_order_acquire);
    if (seen == several) return false;
    if (owns && seen == me) {
      if (enter_as(me)) return true;
    } else if (generation(seen) != generation(me)) {  // Nobody's, or left behind by a fork.
      // Whoever wins enters at once, whatever comes then: that ends what may be left of `busy_`.
      if (owner_.compare_exchange_strong(seen, owns ? me : several) && owns && enter_as(me)) {
        return true;
      }
    } else {
      take_away(seen, (me & ~below_generation) | taken_away);
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
