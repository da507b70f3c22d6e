// SPDX-License-Identifier: MIT
/// The threads of all HTTP clients of a process, and who is within libcurl at this moment.
///
/// OpenSSL takes itself apart at exit: by then no thread may be within libcurl. So at exit all are
/// told to stop, and waited for, for 100 ms.
#pragma once

#include <functional>

namespace dcache::http {

/// Thread-safe.
class Stoppable {
 public:
  virtual void stop() noexcept = 0;

 protected:
  Stoppable() = default;
  Stoppable(const Stoppable&) = default;
  Stoppable& operator=(const Stoppable&) = default;
  ~Stoppable() = default;
};

/// As long as it lives, this is stopped at exit. REQUIRES: libcurl has been started, so that this
/// comes before OpenSSL's end.
class Driven {
 public:
  explicit Driven(Stoppable& what);
  Driven(const Driven&) = delete;
  Driven& operator=(const Driven&) = delete;
  ~Driven();

 private:
  Stoppable& what_;
};

/// Runs it on a thread of ours. False: none could be had.
bool run_on_thread(std::function<void()> task) noexcept;

}  // namespace dcache::http
