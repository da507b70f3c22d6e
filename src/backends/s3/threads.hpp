// SPDX-License-Identifier: MIT
/// The threads of all HTTP clients of a process, and who is within libcurl at this moment.
///
/// Where somebody else has started OpenSSL before us, Python's `ssl` for one, it takes itself apart
/// at exit: by then no thread may be within libcurl. So at exit all are told to leave, and waited
/// for, for 100 ms. No operation ends by that: whoever was woken then would go on in a process that
/// is not there any more, an interpreter's that has ended for one.
#pragma once

#include <functional>

namespace dcache::http {

/// Thread-safe.
class Leaving {
 public:
  virtual void leave_for_good() noexcept = 0;

 protected:
  Leaving() = default;
  Leaving(const Leaving&) = default;
  Leaving& operator=(const Leaving&) = default;
  ~Leaving() = default;
};

/// As long as it lives, this is told at exit. REQUIRES: libcurl has been started, so that this
/// comes before OpenSSL's end.
class Driven {
 public:
  explicit Driven(Leaving& what);
  Driven(const Driven&) = delete;
  Driven& operator=(const Driven&) = delete;
  ~Driven();

 private:
  Leaving& what_;
};

/// Runs it on a thread of ours. False: none could be had.
bool run_on_thread(std::function<void()> task) noexcept;

}  // namespace dcache::http
