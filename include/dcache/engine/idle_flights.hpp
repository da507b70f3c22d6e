// SPDX-License-Identifier: MIT
/// Flights that a thread leads and has not begun to run: those of many calls, while the body of one
/// of them runs. What that body asks for may be among them. It would wait for itself then; so all
/// are let go of instead, and whoever asks leads.
#pragma once

#include <utility>

namespace dcache::engine {

/// Of the calling thread, from its construction to its destruction. REQUIRES: lives on the stack.
class IdleFlights {
 public:
  IdleFlights(const IdleFlights&) = delete;
  IdleFlights& operator=(const IdleFlights&) = delete;

  /// All that the calling thread has. False: there are none.
  static bool let_go_of_all() noexcept {
    bool any = false;
    for (IdleFlights* each = innermost_; each != nullptr; each = each->outer_) {
      any = each->let_go() || any;
    }
    return any;
  }

 protected:
  IdleFlights() noexcept : outer_(std::exchange(innermost_, this)) {}
  ~IdleFlights() { innermost_ = outer_; }

  /// False: it has none (any more).
  virtual bool let_go() noexcept = 0;

 private:
  static inline thread_local constinit IdleFlights* innermost_ = nullptr;

  IdleFlights* const outer_;
};

}  // namespace dcache::engine
