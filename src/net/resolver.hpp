// SPDX-License-Identifier: MIT
/// Names to addresses. The system's look-up blocks for as long as it likes, so it runs on a thread
/// of its own (at most two of a process), and whoever asked waits with a bound.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "net/linux.hpp"
#include "net/socket.hpp"

namespace dcache::net {

class Resolution {
 public:
  /// Readable once `ready`.
  int descriptor() const noexcept { return signal_.descriptor(); }
  bool ready() const noexcept { return ready_.load(std::memory_order_acquire); }
  /// REQUIRES: ready. Empty: none, and `why` says so.
  const std::vector<Address>& addresses() const noexcept { return addresses_; }
  const std::string& why() const noexcept { return why_; }

  /// Looks up, and is ready. Blocks.
  void run(const Endpoint& endpoint) noexcept;

 private:
  Signal signal_;
  std::atomic<bool> ready_{false};
  std::vector<Address> addresses_;
  std::string why_;
};

/// Begins to look the host up. Null: too many look-ups hang already, or no thread could be had.
std::shared_ptr<Resolution> resolve(const Endpoint& endpoint);

}  // namespace dcache::net
