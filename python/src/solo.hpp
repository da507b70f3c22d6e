// SPDX-License-Identifier: MIT
/// A body that runs and that nobody waits for so far: a flight that is not made until somebody
/// wants to join it.
///
/// Under the interpreter's lock a quick body is mostly over before anybody else looks. Its flight
/// (an object, a key, two look-ups, an outcome: 350 ns, more than all the rest of a miss) is then
/// made for nothing. A `Solo` is a record on the stack of the caller, linked where others look.
#pragma once

#include <cstdint>
#include <utility>

#include "dcache/engine/fork.hpp"

#include "call.hpp"
#include "object.hpp"
#include "waiting.hpp"

namespace dcache::python {

class Solo;

/// Those of one function. Guarded by the interpreter's lock.
class Solos {
 public:
  /// Makes a flight of the solo of this call, so that it can be joined. Asks in doubt; throws
  /// `Raised`. True: it is one of this thread, whose caller would wait for himself.
  bool find(const Question& question) { return first_ != nullptr && search(question); }

  /// What runs under this hash is stored nowhere. True: something does.
  bool detach(std::uint64_t hash) noexcept;
  void detach_all() noexcept;

  /// Whether any has become a flight since this was asked before.
  bool became_flights() noexcept { return std::exchange(became_, false); }

 private:
  friend class Solo;

  bool search(const Question& question);
  Solo* running(std::uint64_t number) noexcept;
  bool make_joinable(Solo& solo, const Question& question, const Object& key);
  void drop_those_of_the_parent() noexcept {
    if (generation_ != engine::fork_generation()) [[unlikely]]
      drop();
  }
  void drop() noexcept;

  Solo* first_ = nullptr;
  std::uint64_t made_ = 0;
  bool became_ = false;
  std::uint32_t generation_ = engine::fork_generation();
};

/// While it lives, the body of this call runs on this thread. REQUIRES: lives on the stack.
class Solo {
 public:
  Solo(Solos& solos, Running& flights, const Call& call) noexcept
      : solos_(solos),
        flights_(flights),
        call_(call),
        outer_(std::exchange(innermost_, this)),
        number_(++solos.made_) {
    solos.drop_those_of_the_parent();
    next_ = std::exchange(solos.first_, this);
    if (next_ != nullptr) next_->previous_ = this;
  }
  Solo(const Solo&) = delete;
  Solo& operator=(const Solo&) = delete;
  ~Solo() {
    solos_.drop_those_of_the_parent();
    innermost_ = outer_;
    (previous_ != nullptr ? previous_->next_ : solos_.first_) = next_;
    if (next_ != nullptr) next_->previous_ = previous_;
  }

  /// The flight that others have joined, or none.
  const engine::Ref<Running::Flown>& flight() const noexcept { return flight_; }
  /// True: it answers its caller and is stored nowhere.
  const std::atomic<bool>& detached() const noexcept { return detached_; }

  /// Makes the flight, if that has not happened. Throws `Raised` and std::bad_alloc.
  void become_flight();

  /// Becomes this flight, which its caller leads. False: it is not to.
  bool take(const engine::Ref<Running::Flown>& flight) noexcept;
  /// Of this thread.
  bool own() const noexcept;
  /// Of its call. It may be over when this returns. Throws `Raised`.
  Object key();

  /// What this thread is inside of, solos (which become flights) and `contextvars` included.
  /// Throws.
  static engine::Context context();

 private:
  friend class Solos;

  static thread_local constinit Solo* innermost_;

  Solos& solos_;
  Running& flights_;
  const Call& call_;
  Solo* const outer_;  // Of the same thread.
  Solo* previous_ = nullptr;
  Solo* next_;
  const std::uint64_t number_;  // Of its function's solos: addresses come again.
  std::atomic<bool> detached_{false};
  Object key_;  // Once somebody has asked.
  engine::Ref<Running::Flown> flight_;
};

}  // namespace dcache::python
