// SPDX-License-Identifier: MIT
/// What every store is to the tiers: bytes under keys, asked by operations.
#pragma once

#include <chrono>
#include <string>

#include "dcache/engine/operation.hpp"

namespace dcache::engine {

/// What a store can do. Declared, never guessed: the tiers do without what is not there.
struct Capabilities {
  bool shared = true;   ///< Other processes see what this one writes.
  bool local = false;   ///< Operations complete within `submit`, and no budget holds them.
  bool adds = false;    ///< `Verb::add`.
  bool leases = false;  ///< `Verb::lease`, `watch`, `fill` and `release`.
  bool wakes = false;   ///< `Verb::await`.
  bool batches = true;  ///< Many keys in one operation take about as long as one.
};

/// One store. Every method may be called from any thread. Making one does no I/O.
class Backend {
 public:
  Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;
  virtual ~Backend() = default;

  /// As a person would name it, its URL for one; without secrets.
  virtual std::string name() const = 0;
  virtual Capabilities capabilities() const noexcept = 0;
  /// Completes the operation, now or later. It is given many keys in one operation if it is asked
  /// about many: one round trip, where the store can.
  virtual void submit(const Ref<Op>& op) noexcept = 0;
  /// Connects, and throws what is wrong: ConfigError for what can never work, else TierError.
  virtual void check() = 0;
  /// What a call may wait for it in all, unless somebody says otherwise.
  virtual std::chrono::nanoseconds budget() const noexcept {
    return std::chrono::milliseconds(100);
  }
  /// For how long nearer tiers may serve what others may have changed here, unless somebody says
  /// otherwise, > 0: asking costs something, and so does not asking.
  virtual std::chrono::nanoseconds near_ttl() const noexcept { return std::chrono::seconds(5); }
  /// For how long a mark that was read here counts, unless somebody says otherwise, >= 0.
  virtual std::chrono::nanoseconds mark_ttl() const noexcept { return std::chrono::seconds(1); }
  /// Lets go of threads, sockets and files. Operations fail from then on.
  virtual void close() noexcept {}
};

}  // namespace dcache::engine
