// SPDX-License-Identifier: MIT
/// What of `net` is Linux alone, all of it: eventfd(2), futex(2), options of tcp(7).
#pragma once

#include <atomic>
#include <cstdint>

#include "net/socket.hpp"

namespace dcache::net {

/// A descriptor that one thread makes readable to wake another one out of `poll`.
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

/// Sleeps while the word is `seen`, until somebody wakes who sleeps on it, or the moment has come.
/// May return for nothing.
void sleep_on(std::atomic<std::uint32_t>& word, std::uint32_t seen, Moment until) noexcept;
/// The one thread that sleeps on it, if there is one. Two system calls fewer for every wait than a
/// condition variable under load, where its lock is met with.
void wake_from(std::atomic<std::uint32_t>& word) noexcept;

}  // namespace dcache::net
