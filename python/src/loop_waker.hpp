// SPDX-License-Identifier: MIT
/// How an event loop learns that operations have completed: by one descriptor, once for all that
/// have since it last looked. Nobody who tells needs the interpreter's lock: an I/O thread that
/// waited for it would stand still for as long as whoever has it waits for that I/O.
#pragma once

#include <atomic>

#include "dcache/engine/operation.hpp"
#include "dcache/engine/ref.hpp"

#include "object.hpp"
#include "waiting.hpp"

namespace dcache::python {

class LoopWaker;

/// Wakes a future when an operation completes, on whatever thread. Lives as long as that may come.
class FutureWake final : public engine::Counted, public engine::Completion {
 public:
  explicit FutureWake(engine::Ref<LoopWaker> loop) noexcept;

  void completed() noexcept override;
  // With the interpreter's lock.
  void wait_on(Object future) noexcept { future_ = Kept(std::move(future)); }
  /// Null: nobody waits at this moment.
  Object take_future() noexcept { return std::exchange(future_, Kept(Object())).object(); }

 private:
  friend class LoopWaker;

  const engine::Ref<LoopWaker> loop_;
  Kept future_{Object()};
  FutureWake* next_ = nullptr;  // The loop's, once it is told.
};

class LoopWaker final : public engine::Counted {
 public:
  /// An eventfd, which it closes.
  explicit LoopWaker(int descriptor) noexcept : descriptor_(descriptor) {}
  ~LoopWaker() override;

  int descriptor() const noexcept { return descriptor_; }
  /// Any thread, without the interpreter's lock.
  void tell(engine::Ref<FutureWake> wake) noexcept;
  /// A list of the futures that were told since. On the loop's thread. Throws `Raised`.
  Object take();
  /// The loop has gone. With the interpreter's lock.
  void close() noexcept;

 private:
  void drop_told() noexcept;

  const int descriptor_;
  std::atomic<FutureWake*> told_{nullptr};  // The last one first.
  std::atomic<bool> closed_{false};
};

/// REQUIRES: a `LoopWaker` of the module's.
const engine::Ref<LoopWaker>& loop_waker_of(PyObject* object) noexcept;
bool is_loop_waker(PyObject* object) noexcept;

/// Makes the type. False: a Python error is set.
bool prepare_loop_waker(PyObject* module);

}  // namespace dcache::python
