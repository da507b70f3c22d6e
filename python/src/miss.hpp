// SPDX-License-Identifier: MIT
/// A call whose result is not at hand, as an object of the interpreter: what drives it are the few
/// coroutines of `dcache/_async.py`, or a thread of `dcache/_background.py`.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include "dcache/engine/waiter.hpp"

#include "call.hpp"
#include "function.hpp"
#include "loop_waker.hpp"
#include "object.hpp"
#include "waiting.hpp"

namespace dcache::python {

/// A task that waits for a flight: told through a future of its loop. Lives as long as the flight
/// may still tell it.
class TaskWaiter final : public engine::Counted, public engine::Waiter {
 public:
  enum class Told : std::uint8_t { nothing, landed, lead, declined };

  /// `declines`: it has something else to give and runs nothing for others.
  explicit TaskWaiter(bool declines) noexcept : declines_(declines) {}

  void landed() noexcept override;
  bool lead() noexcept override;

  Told told() const noexcept { return told_; }
  /// Wakes this future from now on; at once if it was told already.
  void wait_on(Object future);
  /// Nobody waits any more.
  void leave() noexcept { gone_ = true; }

 private:
  bool wake();  // Runs Python, whose interpreter may end the thread: no `noexcept` between it and
                // the guard.

  const bool declines_;
  Told told_ = Told::nothing;
  bool gone_ = false;
  Kept future_{Object()};
};

/// What a driver does next.
enum class Step : std::uint8_t {
  lead,     ///< `start`, run the body, then `land` or `fail`.
  wait,     ///< `wait_on` a future, await it, `look`.
  landed,   ///< `result`.
  through,  ///< Run the body; nothing is stored.
  again,    ///< `join`.
};

class Miss {
 public:
  /// `hashed`: the question, if it was asked of the arguments as they are spelled; or null.
  Miss(Function& function, PyObject* const* args, Py_ssize_t count, PyObject* names,
       const Question* hashed);
  Miss(const Miss&) = delete;
  Miss& operator=(const Miss&) = delete;
  ~Miss() { drop_walk(); }

  /// A stale result may be served should the body fail.
  void allow_stale() noexcept { may_be_stale_ = true; }
  /// It leads already, for a refresh that nobody waits for.
  void lead(engine::Leadership<Running> leadership) noexcept {
    leadership_ = std::move(leadership);
    background_ = true;
  }
  /// It waits for this flight, which others lead, but runs nothing for them.
  void watch(engine::Ref<Running::Flown> flight) noexcept {
    flight_ = std::move(flight);
    declines_ = true;
  }

  // Each throws `Raised`.

  Step join();
  /// Detaches what runs, and leads.
  Step restart();
  /// False: it has landed meanwhile. `loop`: that runs, or none. `joins`: it comes from `join`, at
  /// this moment.
  bool start(const Object& loop, bool joins = false);
  /// For the context while the body runs. REQUIRES: started.
  Object mark();
  /// The same for bodies that run while these misses (a list), started, are led on this
  /// thread. Its own would end with it.
  static Object mark_of(PyObject* misses);
  /// The body, called.
  Object body();
  /// The same, with these misses (a list) led on this thread, too: those that are to come.
  Object body_before(PyObject* idle);
  Object land(PyObject* result);

  // Far tiers, between `start` and `body`, and between `body` and `land`.

  /// True: there is something to `step_far` through, or to `drive_far`. `waits`: for another
  /// process that computes it.
  bool look_far(bool waits);
  /// From here on its way is that of these misses, too. REQUIRES: each has something to step
  /// through.
  void gather(PyObject* misses);
  /// All of the steps, on this thread.
  void drive_far();
  /// Another process computes it.
  bool busy_far() const noexcept { return far_ && far_->busy(); }
  bool leads() const noexcept { return static_cast<bool>(leadership_); }
  /// Somebody in this process waits for what it leads.
  bool awaited() const noexcept { return leads() && leadership_.flight()->waiters() > 0; }
  /// Whoever waits leads.
  void give_up() noexcept;
  bool store_far(PyObject* result);
  /// False: it has ended. `loop`: that of the task that takes this step, or null.
  bool step_far(PyObject* loop);
  /// Seconds until the next step, if it is not woken before. REQUIRES: it has not ended.
  double far_patience() const noexcept;
  /// A future of that loop's, which is done when there is something to step through, or those
  /// seconds have passed.
  Object wake_far(PyObject* waker);
  /// The result that far tiers had, landed; none: run the body.
  Object take_far();

  // The verbs, in the order of `dcache/_async.py`.

  bool detach();
  bool erase_far();
  bool erase_near();
  bool prepare_far();
  bool put_far(PyObject* value);
  void put_near(PyObject* value);
  bool peek_far();
  Object peeked();
  /// The body raised this. A stale result to serve instead, or none.
  Object fail(PyObject* error);
  Object result();

  Step enlist();
  void wait_on(PyObject* future) { waiter_->wait_on(Object::shared(future)); }
  Step look();
  void leave() noexcept;
  /// Until `look` is worth calling, in seconds.
  double patience() const noexcept;
  /// What the table has for this call, stale or not; none: nothing. Throws `Raised`.
  Object there() {
    const Object found = function_.find_anything(call_.question());
    return found ? function_.give(found.get()) : Object();
  }

  /// All of it on a thread of ours, for a plain function.
  void run();

  Function& function() noexcept { return function_; }
  const Call& call() const noexcept { return call_; }
  int traverse(visitproc visit, void* arg) const;

 private:
  // The walks of several misses as one.
  struct Batch {
    Object misses;  // Outlive the rest.
    std::vector<engine::Walk> walks;
    engine::FarBatch batch;
  };

  void finish(engine::Outcome<Kept> outcome, bool commit);
  void commit(PyObject* result, const std::atomic<bool>& detached);
  void drop_walk() noexcept;
  Sight sight() const;
  bool begin_far();
  void ran() noexcept;

  const Object owner_;
  Function& function_;
  const Spelling spelling_;
  const Call call_;
  bool looked_ = true;  // Since the look that missed no Python has run.
  bool may_be_stale_ = false;
  bool background_ = false;
  bool declines_ = false;
  bool restarted_ = false;
  engine::Leadership<Running> leadership_;
  engine::Ref<Running::Flown> flight_;
  engine::Ref<TaskWaiter> waiter_;
  std::shared_ptr<bool> gone_;
  Object mark_;
  engine::SteadyTime begun_;
  engine::Outcome<Kept> own_;
  std::exception_ptr commit_error_;
  std::optional<FarFlight> far_;
  std::optional<engine::Walk> walk_;
  std::unique_ptr<Batch> batch_;  // That `walk_` goes through.
  bool walk_waits_ = false;
  engine::Ref<FutureWake> wake_;
  Object suspect_;
  std::optional<Life> life_;         // Of what was computed, once `store_far` has asked for it.
  std::optional<Exception> unkept_;  // Why it was not stored.
};

/// The object that holds one, for Python. Throws `Raised`.
Object make_miss(Function& function, PyObject* const* args, Py_ssize_t count, PyObject* names,
                 const Question* hashed);
Miss& miss_of(PyObject* object) noexcept;

/// The loop of the task that takes a step on this thread; or none.
Object loop_that_steps() noexcept;

/// Hands a flight to the thread or loop that refreshes. False: refused.
bool refresh_in_background(Function& function, const Call& call,
                           engine::Leadership<Running> leadership) noexcept;

/// Makes the type. False: a Python error is set.
bool prepare_miss();

}  // namespace dcache::python
