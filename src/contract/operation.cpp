// SPDX-License-Identifier: MIT
#include "dcache/engine/operation.hpp"

#include <condition_variable>
#include <mutex>
#include <utility>

namespace dcache::engine {
namespace {

// A thread that blocks. Not a Lock: no thread of a forked child ever meets one of its parent.
class Blocked final : public Completion {
 public:
  void completed() noexcept override {
    const std::lock_guard lock(mutex_);
    told_ = true;
    changed_.notify_one();
  }
  bool wait_until(SteadyMoment deadline) {
    std::unique_lock lock(mutex_);
    if (deadline != SteadyMoment::max()) {
      return changed_.wait_until(lock, deadline, [this] { return told_; });
    }
    changed_.wait(lock, [this] { return told_; });
    return true;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool told_ = false;
};

}  // namespace

thread_local constinit const void* OnLoop::current_ = nullptr;

void Op::complete() noexcept {
  std::uint8_t state = state_.load(std::memory_order_acquire);
  do {
    // It takes a moment to be abandoned: the reason to call back is being written.
    while (state == dropping) state = state_.load(std::memory_order_acquire);
    if (state == dropped) {
      if (when_late_) when_late_(*this);
      return;
    }
  } while (!state_.compare_exchange_weak(state, finished, std::memory_order_acq_rel));
  if (state == listened) listener_->completed();
}

void Op::fail(std::string why, bool reachable) noexcept {
  reachable_ = reachable;
  for (Item& item : items) item.reply = Reply::failed;
  trouble_ = std::move(why);
  complete();
}

void Op::refuse(std::string why) noexcept {
  refused_ = true;
  fail(std::move(why));
}

bool Op::begin_listening(Completion& completion) noexcept {
  listener_ = &completion;
  std::uint8_t expected = pending;
  return state_.compare_exchange_strong(expected, listened, std::memory_order_acq_rel);
}

bool Op::listen(Completion& completion) noexcept {
  if (!begin_listening(completion)) return false;
  if (carrier_ != nullptr) carrier_->left_alone();
  return true;
}

bool Op::abandon(std::function<void(Op&)> when_late) {
  for (const std::uint8_t from : {pending, listened}) {
    std::uint8_t expected = from;
    if (!state_.compare_exchange_strong(expected, dropping, std::memory_order_acq_rel)) continue;
    when_late_ = std::move(when_late);
    state_.store(dropped, std::memory_order_release);
    if (carrier_ != nullptr) carrier_->given_up();
    return true;
  }
  return false;
}

bool Op::wait_until(SteadyMoment moment) {
  if (completed()) return true;
  if (carrier_ != nullptr) carrier_->carry(moment);
  Blocked blocked;
  if (!begin_listening(blocked) || blocked.wait_until(moment)) return true;
  std::uint8_t expected = listened;
  if (state_.compare_exchange_strong(expected, pending, std::memory_order_acq_rel)) return false;
  return blocked.wait_until(SteadyMoment::max());  // It is being told at this moment.
}

bool Op::wait(std::function<void(Op&)> when_late) {
  return wait_until(deadline_) || !abandon(std::move(when_late));
}

}  // namespace dcache::engine
