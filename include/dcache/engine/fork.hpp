// SPDX-License-Identifier: MIT
/// A number that differs between a process and the child it forked.
///
/// Whoever holds state that a fork can catch half-way (locks, queues, threads) remembers the number
/// and starts afresh when it has changed.
#pragma once

#include <atomic>
#include <cstdint>

namespace dcache::engine {

namespace fork_detail {
/// Zero until somebody has asked for the first time; the child handler counts from there.
extern std::atomic<std::uint32_t> count;
/// Registers the handler; what `fork_generation` then says, never zero.
std::uint32_t watch() noexcept;
}  // namespace fork_detail

/// Grows by one in a forked child. Any thread, any time, a fork handler included; one relaxed load
/// once the first call has registered the handler. Forks before the first call are not counted:
/// nobody can have remembered a number then. `vfork` and a raw `clone` are not seen.
inline std::uint32_t fork_generation() noexcept {
  const std::uint32_t generation = fork_detail::count.load(std::memory_order_relaxed);
  return generation != 0 ? generation : fork_detail::watch();
}

/// Has a forked child run this before anything else does: only what is safe in a signal handler.
void run_in_forked_child(void (*run)()) noexcept;

}  // namespace dcache::engine
