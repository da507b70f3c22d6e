// SPDX-License-Identifier: MIT
#include "net/request.hpp"

#include "net/linux.hpp"

namespace dcache::net {

// From pending only.
bool Request::move_on(Phase to) noexcept {
  std::uint32_t state = state_.load(std::memory_order_acquire);
  while ((state & phases) == pending) {
    if (state_.compare_exchange_weak(state, (state & ~phases) | to, std::memory_order_acq_rel)) {
      return true;
    }
  }
  return false;
}

bool Request::abandon() noexcept { return move_on(dropped); }

bool Request::finish(Trouble trouble) noexcept {
  const bool completed = complete(std::move(trouble));
  if (!completed) late();
  return completed;
}

// Who calls owns a reference, so that the waiter may go on, and drop his, before he is woken.
bool Request::complete(Trouble trouble) noexcept {
  if (!move_on(finishing)) return false;
  trouble_ = std::move(trouble);
  done();
  if ((state_.exchange(finished, std::memory_order_acq_rel) & sleeping) != 0) wake_from(state_);
  return true;
}

void Request::tell_to_lead() noexcept {
  if ((state_.fetch_or(leading, std::memory_order_acq_rel) & sleeping) != 0) wake_from(state_);
}

bool Request::sleep(Moment until) noexcept {
  std::uint32_t state = state_.fetch_or(sleeping, std::memory_order_acq_rel) | sleeping;
  for (;;) {
    if ((state & phases) == finished) return true;
    if ((state & leading) != 0) {
      state_.fetch_and(~leading, std::memory_order_acq_rel);
      return true;
    }
    if (std::chrono::steady_clock::now() >= until) return false;
    sleep_on(state_, state, until);
    state = state_.load(std::memory_order_acquire);
  }
}

}  // namespace dcache::net
