// SPDX-License-Identifier: MIT
#include "net/request.hpp"

namespace dcache::net {

// From pending only; whether somebody sleeps is kept.
bool Request::move_on(Phase to) noexcept {
  std::uint8_t state = state_.load(std::memory_order_acquire);
  while ((state & phases) == pending) {
    const auto next = static_cast<std::uint8_t>((state & sleeping) | to);
    if (state_.compare_exchange_weak(state, next, std::memory_order_acq_rel)) return true;
  }
  return false;
}

bool Request::abandon() noexcept { return move_on(dropped); }

bool Request::finish(Trouble trouble) noexcept {
  const bool completed = complete(std::move(trouble));
  if (!completed) late();
  return completed;
}

bool Request::complete(Trouble trouble) noexcept {
  if (!move_on(finishing)) return false;
  trouble_ = std::move(trouble);
  done();
  const std::uint8_t before = state_.exchange(finished, std::memory_order_acq_rel);
  if ((before & sleeping) != 0) signal(Signal::told);
  return true;
}

void Request::signal(Signal signal) noexcept {
  const std::lock_guard lock(mutex_);
  signal_ = signal;
  changed_.notify_one();
}

bool Request::sleep(Moment until) {
  if ((state_.fetch_or(sleeping, std::memory_order_acq_rel) & phases) == finished) return true;
  std::unique_lock lock(mutex_);
  const bool told = changed_.wait_until(lock, until, [this] { return signal_ != Signal::none; });
  if (signal_ == Signal::lead) signal_ = Signal::none;
  return told;
}

}  // namespace dcache::net
