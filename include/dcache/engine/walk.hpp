// SPDX-License-Identifier: MIT
/// Steps over operations, written once as a coroutine, for whoever drives them.
///
/// A walk runs on the thread of its driver and nowhere else: until it has to wait, for an operation
/// or for a moment to come. How that is waited for is the driver's business. Completions only wake
/// the driver; they never run a step.
#pragma once

#include <coroutine>
#include <exception>
#include <functional>
#include <utility>

#include "dcache/engine/operation.hpp"

namespace dcache::engine {

class Within;

class [[nodiscard]] Walk {
 public:
  // As the language calls it. NOLINTNEXTLINE(readability-identifier-naming)
  struct promise_type;
  using Handle = std::coroutine_handle<promise_type>;

  struct promise_type {  // NOLINT(readability-identifier-naming)
    Walk get_return_object() noexcept { return Walk(Handle::from_promise(*this)); }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { error = std::current_exception(); }

    Op* op = nullptr;  // Kept alive by the coroutine.
    SteadyMoment until;
    std::function<void(Op&)> when_late;
    std::exception_ptr error;
  };

  Walk(Walk&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Walk& operator=(Walk&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  /// One that waits is given up, with its operation.
  ~Walk() {
    if (!handle_) return;
    if (!handle_.done() && handle_.promise().op != nullptr) abandon();
    handle_.destroy();
  }

  /// Runs on. True: it has ended, which is when it throws. False: it waits.
  bool step() {
    handle_.resume();
    if (!handle_.done()) return false;
    if (handle_.promise().error != nullptr) {
      std::rethrow_exception(std::exchange(handle_.promise().error, nullptr));
    }
    return true;
  }

  /// What it waits for; null: for `until()` alone. REQUIRES: it waits.
  Op* op() const noexcept { return handle_.promise().op; }
  /// Not longer than this. An operation is abandoned then.
  SteadyMoment until() const noexcept { return handle_.promise().until; }
  /// Gives the operation up, if it has not completed. REQUIRES: it waits for one.
  bool abandon() const {
    return op()->abandon(std::exchange(handle_.promise().when_late, nullptr));
  }
  /// Blocks the thread until it is worth to step again, or `at_most` has come. False: the latter.
  bool wait(SteadyMoment at_most = SteadyMoment::max()) const;

 private:
  friend class Within;

  explicit Walk(Handle handle) noexcept : handle_(handle) {}

  Handle handle_;
};

/// Waits for an operation that was submitted, or for its deadline. `when_late`, if there is one, is
/// called should it complete after that.
class Completed {
 public:
  explicit Completed(Op& op, std::function<void(Op&)>* when_late = nullptr) noexcept
      : op_(op), when_late_(when_late) {}
  bool await_ready() const noexcept { return op_.completed(); }
  void await_suspend(Walk::Handle walk) const {
    walk.promise().op = &op_;
    walk.promise().until = op_.deadline();
    walk.promise().when_late =
        when_late_ == nullptr ? std::function<void(Op&)>() : std::move(*when_late_);
  }
  void await_resume() const noexcept {}

 private:
  Op& op_;
  std::function<void(Op&)>* when_late_;
};

/// Waits for what a walk within this one waits for: `for (Walk part = …; !part.step();) co_await
/// Within(part);`.
class Within {
 public:
  explicit Within(Walk& part) noexcept : part_(part) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(Walk::Handle walk) const {
    Walk::promise_type& inner = part_.handle_.promise();
    walk.promise().op = inner.op;
    walk.promise().until = inner.until;
    walk.promise().when_late = std::move(inner.when_late);
  }
  void await_resume() const noexcept {}

 private:
  Walk& part_;
};

/// Waits for a moment.
class Until {
 public:
  explicit Until(SteadyMoment moment) noexcept : moment_(moment) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(Walk::Handle walk) const noexcept {
    walk.promise().op = nullptr;
    walk.promise().until = moment_;
  }
  void await_resume() const noexcept {}

 private:
  SteadyMoment moment_;
};

/// Drives a walk on this thread, to its end.
void run(Walk walk);

}  // namespace dcache::engine
