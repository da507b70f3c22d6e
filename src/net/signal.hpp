// SPDX-License-Identifier: MIT
/// A descriptor that one thread makes readable to wake another one out of `poll`. What of `net` is
/// Linux alone is in this file and its source: eventfd(2), and options of TCP (tcp(7)).
#pragma once

#include "net/socket.hpp"

namespace dcache::net {

class Signal {
 public:
  /// Throws std::system_error if the process has no descriptors left.
  Signal();

  /// Any thread. Stays raised until `clear`.
  void raise() const noexcept;
  void clear() const noexcept;
  int descriptor() const noexcept { return event_.number(); }

 private:
  Socket event_;
};

/// A peer that takes no bytes for `patience` is gone, and an idle one that does not answer the
/// kernel is found out within half a minute: by themselves the retries of TCP take a quarter of an
/// hour.
void bound_silence(int descriptor, nanoseconds patience) noexcept;

}  // namespace dcache::net
