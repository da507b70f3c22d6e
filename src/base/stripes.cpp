// SPDX-License-Identifier: MIT
#include "dcache/engine/stripes.hpp"

namespace dcache::engine::stripes_detail {
namespace {

constexpr unsigned shared = stripes_own * stripe_size;  // Where the last stripe begins.

// One bit a stripe; set while a living thread owns it.
constinit std::atomic<std::uint32_t> taken{0};

// Gives the stripe back when the thread ends. What the thread counted stays in the sums: its next
// owner goes on from there. The release here and the acquire in `assign` order the two.
struct Owner {
  ~Owner() {
    if (mine < shared) taken.fetch_and(~(1U << mine / stripe_size), std::memory_order_release);
    mine = shared;  // Destructors that run after this one count in the shared stripe.
  }
};

}  // namespace

unsigned assign() noexcept {
  static thread_local Owner owner;
  static_cast<void>(&owner);
  std::uint32_t seen = taken.load(std::memory_order_relaxed);
  for (unsigned stripe = 0; stripe < stripes_own;) {
    const std::uint32_t bit = 1U << stripe;
    if ((seen & bit) != 0) {
      ++stripe;
    } else if (taken.compare_exchange_weak(seen, seen | bit, std::memory_order_acquire,
                                           std::memory_order_relaxed)) {
      return mine = stripe * stripe_size;
    }
  }
  return mine = shared;
}

}  // namespace dcache::engine::stripes_detail
