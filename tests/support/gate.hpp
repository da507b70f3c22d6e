// SPDX-License-Identifier: MIT
// Bodies that are held, and callers that wait for them.
#pragma once

#include <chrono>
#include <cstddef>
#include <latch>
#include <thread>

#include "dcache/memoize.hpp"

namespace dcache::testing {

/// What a body passes: it says when it is there, and goes on when it is told. For one pass.
class Gate {
 public:
  void pass() {
    reached_.count_down();
    open_.wait();
  }
  void wait_until_reached() const { reached_.wait(); }
  void open() { open_.count_down(); }

 private:
  std::latch reached_{1};
  std::latch open_{1};
};

template <class Condition>
void wait_until(const Condition& holds) {
  while (!holds()) std::this_thread::yield();
}

/// Returns when at least `count` callers wait for the body that runs for this call.
/// REQUIRES: one runs.
template <class S, class... Arguments>
void wait_for_waiters(const Memoized<S>& function, std::size_t count,
                      const Arguments&... arguments) {
  using Memo = typename Memoized<S>::Memo;
  const typename Memo::Key key(arguments...);
  const auto flight = function.memo()
                          .flights()
                          .join(
                              engine::Hash<typename Memo::Key>{}(key), key, [&] { return key; },
                              std::chrono::steady_clock::now())
                          .flight;
  wait_until([&] { return flight->waiters() >= count; });
}

}  // namespace dcache::testing
