// SPDX-License-Identifier: MIT
/// Which flights the running code is inside of: how re-entry and cycles are found.
///
/// Each thread has a current context. It is empty at first, grows by one frame while a body runs
/// (`Inside`), and can be carried to another thread (`capture` there, `Adopt` here) by whoever
/// hands a part of the body on: a task, an executor, an event loop. What a thread is inside of
/// itself and what it has adopted count alike. A context keeps its flights alive, outcomes
/// included.
#pragma once

#include <utility>

#include "dcache/engine/flight.hpp"
#include "dcache/engine/ref.hpp"

namespace dcache::engine {

/// An immutable chain of frames, cheap to copy. Thread-safe like an int.
class Context {
 public:
  Context() noexcept = default;

  /// The current context of the calling thread.
  static Context capture() noexcept { return Context(Ref<const Frame>(current_)); }

  /// This one and a flight more. For runners whose body is no single call on one thread; adopt it
  /// for each part. Others say `Inside`.
  Context with(Ref<Flight> flight) const;

  bool empty() const noexcept { return !top_; }
  bool inside(const Flight& flight) const noexcept;

  /// Calls visit(Flight&) for each flight, some perhaps more than once.
  template <class Visit>
  void each(const Visit& visit) const {
    walk(top_.get(), visit);
  }

  class Adopt;

 private:
  friend class Inside;

  struct Frame final : Counted {
    Ref<Flight> flight;  // Empty where two chains meet.
    Ref<const Frame> outer;
    Ref<const Frame> adopted;
  };

  explicit Context(Ref<const Frame> top) noexcept : top_(std::move(top)) {}

  template <class Visit>
  static void walk(const Frame* frame, const Visit& visit) {
    for (; frame != nullptr; frame = frame->outer.get()) {
      if (frame->flight) visit(*frame->flight);
      walk(frame->adopted.get(), visit);
    }
  }

  // Kept alive by the scope that set it.
  static thread_local constinit const Frame* current_;

  Ref<const Frame> top_;
};

/// While it lives, the thread is also inside what `context` is inside of. Scopes of one thread end
/// in the reverse order in which they began, on that thread.
class [[nodiscard]] Context::Adopt {
 public:
  explicit Adopt(const Context& context);
  Adopt(const Adopt&) = delete;
  Adopt& operator=(const Adopt&) = delete;
  ~Adopt() { current_ = before_; }

 private:
  friend class Inside;
  explicit Adopt(Ref<const Frame> top) noexcept;

  Ref<const Frame> top_;
  const Frame* before_;
};

/// While it lives, the thread is inside `flight`: it runs the body.
class [[nodiscard]] Inside {
 public:
  explicit Inside(Ref<Flight> flight) : scope_(Context::capture().with(std::move(flight)).top_) {}

 private:
  Context::Adopt scope_;
};

}  // namespace dcache::engine
