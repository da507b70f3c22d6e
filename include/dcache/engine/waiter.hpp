// SPDX-License-Identifier: MIT
/// Those who wait for a flight. A blocked thread is one kind; a task, a coroutine or a callback of
/// an event loop derives its own.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>

#include "dcache/engine/context.hpp"

namespace dcache::engine {

/// A completion node: owned by whoever waits, linked into the flight while it is enlisted.
///
/// Each successful `Flight::enlist` is followed by exactly one of: `landed()`, `lead()`, a
/// `Flight::leave` that said true, a `Flight::try_take_over` that ended the wait. The two calls
/// come on the thread of the runner, with no lock of ours held; during the call, and after it, the
/// node is the owner's again: it may be destroyed or enlisted anew. They have to be short (post
/// somewhere, wake somebody): the runner and the other waiters are behind them.
class Waiter {
 public:
  Waiter() noexcept = default;
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  virtual ~Waiter() = default;

  /// The outcome is there.
  virtual void landed() noexcept = 0;
  /// The runner gave up: will this one run the body? True: it is the runner now, and has to land
  /// or abandon the flight. False: it was cancelled meanwhile, and the next one is asked.
  virtual bool lead() noexcept = 0;

 private:
  friend class Flight;

  // Guarded by the lock of the flight it waits for.
  Waiter* next_ = nullptr;
  Waiter* previous_ = nullptr;
  bool enlisted_ = false;
  Context inside_;  // What waits for that flight because this one does.
};

/// A thread that blocks. To be used by that thread for one `Flight::wait` at a time.
class ThreadWaiter : public Waiter {
 public:
  /// `look` is called at least this often while the thread waits.
  explicit ThreadWaiter(std::chrono::nanoseconds look_every = std::chrono::seconds(1)) noexcept
      : look_every_(look_every) {}

  /// Whether to go on waiting; runs on the waiting thread, without a lock. This is where a binding
  /// looks for signals.
  virtual bool look() noexcept { return true; }

 private:
  friend class Flight;

  enum class Told : std::uint8_t { nothing, landed, lead, declined };

  void landed() noexcept final;
  bool lead() noexcept final;
  void begin(bool declines);
  void decline() noexcept;
  Told sleep(std::chrono::nanoseconds at_most);
  Told sleep_until_told();
  void tell(Told told) noexcept;

  const std::chrono::nanoseconds look_every_;
  // Not a Lock: no thread of a forked child ever meets a node of its parent.
  std::mutex mutex_;
  std::condition_variable changed_;
  Told told_ = Told::nothing;  // Guarded by mutex_.
  bool declines_ = false;      // Guarded by mutex_.
};

}  // namespace dcache::engine
