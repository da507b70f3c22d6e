// SPDX-License-Identifier: MIT
/// Biased locking: what one thread alone uses, it uses without atomic steps.
///
/// An atomic read-modify-write waits for all that is under way; two of them are a seventh of a hit
/// on a pinned entry. So the first thread that comes becomes the owner, and enters and leaves with
/// plain stores until another one comes. That one takes the bias away: it has the kernel run a
/// memory barrier on the core of every thread of the process, which the owner then need not do at
/// each entrance, and waits until the owner is outside. From then on all pay for atomic steps.
///
/// Dice, Moir, Scherer: "Quickly Reacquirable Locks" (2003); membarrier(2).
#pragma once

#include <atomic>
#include <cstdint>

#include "dcache/engine/hot.hpp"

namespace dcache::engine {

namespace bias_detail {
/// No owner.
inline constexpr std::uint64_t unassigned = 3;
/// This thread, as long as it lives and does not fork: no other thread has the same number, not
/// even in another copy of this library.
inline thread_local constinit std::uint64_t self = unassigned;
}  // namespace bias_detail

/// Whom something belongs to: nobody yet, one thread, or several for ever. Any thread, any time.
///
/// Fork: in the child what belonged to one thread belongs to nobody, and may be in the middle of a
/// change; whoever comes next has to see to that (`Lock::lock_alone` says so).
class Bias {
 public:
  /// True: this thread alone is here, and whoever comes waits until it has left. False: it belongs
  /// to several threads, now and for ever. REQUIRES: this thread has not entered and not left; what
  /// it does inside is short, and none of the user's code.
  DCACHE_HOT bool enter() noexcept {
    const std::uint64_t owner = owner_.load(std::memory_order_acquire);
    if (owner == bias_detail::self && enter_as(owner)) [[likely]]
      return true;
    return owner != several && settle();
  }

  /// REQUIRES: `enter` said true.
  DCACHE_HOT void leave() noexcept { busy_.store(0, std::memory_order_release); }

  /// What `step(alone)` returns, called inside if this thread is alone. REQUIRES: as `enter`.
  template <class Step>
  DCACHE_HOT bool run(Step&& step) noexcept {
    const bool alone = enter();
    const bool result = step(alone);
    if (alone) leave();
    return result;
  }

 private:
  // Else a thread, or that it was taken away, in the lower 48 bits, and in the upper the fork
  // generation: what is of another one is nobody's.
  static constexpr std::uint64_t nobody = 0;
  static constexpr std::uint64_t several = 1;
  static constexpr std::uint64_t taken_away = 2;  // From an owner who may still be inside.

  // The owner tells that it is here, then looks whether it still is the owner. Who takes that away
  // says so, then looks whether the owner is here. Each would need a barrier between the two; the
  // second has the kernel run both.
  DCACHE_HOT bool enter_as(std::uint64_t owner) noexcept {
    busy_.store(1, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    if (owner_.load(std::memory_order_acquire) == owner) [[likely]]
      return true;
    leave();
    return false;
  }
  bool settle() noexcept;
  void take_away(std::uint64_t seen, std::uint64_t mark) noexcept;

  std::atomic<std::uint64_t> owner_{nobody};
  std::atomic<std::uint32_t> busy_{0};
};

}  // namespace dcache::engine
