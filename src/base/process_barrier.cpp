// SPDX-License-Identifier: MIT
#include "base/process_barrier.hpp"

#include <atomic>
#include <chrono>
#include <thread>

#ifdef __linux__
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace dcache::engine {
namespace {

#ifdef __linux__
bool ask(int command) noexcept { return syscall(SYS_membarrier, command, 0, 0) == 0; }
bool enlist() noexcept { return ask(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED); }
bool run() noexcept { return ask(MEMBARRIER_CMD_PRIVATE_EXPEDITED); }
#else
bool enlist() noexcept { return false; }
bool run() noexcept { return false; }
#endif

enum class Offer : unsigned char { unknown, made, refused };
constinit std::atomic<Offer> offer{Offer::unknown};

[[maybe_unused]] const bool asked_at_load = has_process_barrier();

}  // namespace

bool has_process_barrier() noexcept {
  Offer seen = offer.load(std::memory_order_relaxed);
  if (seen == Offer::unknown) {
    seen = enlist() && run() ? Offer::made : Offer::refused;
    offer.store(seen, std::memory_order_relaxed);
  }
  return seen == Offer::made;
}

void process_barrier() noexcept {
  if (run() || (enlist() && run())) return;
  // A sandbox has taken it away since. What a core has stored is seen by all long before this ends.
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
}

}  // namespace dcache::engine
