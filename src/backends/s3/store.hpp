// SPDX-License-Identifier: MIT
/// A bucket, as its backend asks it: an operation becomes parts (`part.hpp`), each an HTTP request
/// that is signed, sent, judged and maybe sent again. What was learned on the way is kept here.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "dcache/backends/s3.hpp"
#include "dcache/engine/lock.hpp"
#include "dcache/engine/operation.hpp"

#include "backends/s3/http.hpp"
#include "backends/s3/keyring.hpp"
#include "backends/s3/placeholder.hpp"
#include "backends/s3/settings.hpp"
#include "backends/s3/signer.hpp"

namespace dcache::s3 {

/// How many attempts beyond the first may be made: a fleet must not ask a store that struggles for
/// more than it did before. As the "standard" mode of AWS's tools. Thread-safe.
class RetryBudget {
 public:
  /// False: there have been too many lately.
  bool take() noexcept {
    int left = left_.load(std::memory_order_relaxed);
    do {
      if (left < cost) return false;
    } while (!left_.compare_exchange_weak(left, left - cost, std::memory_order_relaxed));
    return true;
  }
  /// A request that was answered; `retried`: not at its first attempt.
  void worked(bool retried) noexcept {
    const int more = retried ? cost : 1;
    int left = left_.load(std::memory_order_relaxed);
    while (left < full && !left_.compare_exchange_weak(left, std::min(full, left + more),
                                                       std::memory_order_relaxed)) {
    }
  }

 private:
  static constexpr int full = 500;
  static constexpr int cost = 5;
  std::atomic<int> left_{full};
};

/// Thread-safe.
class Store : public std::enable_shared_from_this<Store> {
 public:
  /// Throws ConfigError.
  explicit Store(S3Options options);

  std::string name() const;
  std::chrono::nanoseconds budget() const noexcept { return options_.timeout; }
  void submit(const engine::Ref<engine::Op>& op) noexcept;
  void check();
  void close() noexcept;
  std::string lifecycle_rules() const;

  // --- For parts ---

  const S3Options& options() const noexcept { return options_; }
  /// Throws ConfigError where something is missing.
  std::shared_ptr<const Settings> settings();
  std::string region(const Settings& settings);
  void learn_region(std::string region);
  /// By the clock of the server, once it has told that ours is wrong.
  std::int64_t unix_seconds() const noexcept;
  /// False: `date` is none.
  bool learn_time(std::string_view date) noexcept;

  http::Client client;
  Tokens tokens;
  Signer signer{"s3"};
  RetryBudget retries;
  std::shared_ptr<Keyring> keyring;
  /// What the server can do, until it says otherwise.
  std::atomic<bool> conditional_writes{true};
  std::atomic<bool> tags;

 private:
  bool knows(engine::Verb verb) const noexcept;
  void begin(const engine::Ref<engine::Op>& op, bool strict) noexcept;

  const S3Options options_;
  std::atomic<bool> closed_{false};
  std::atomic<std::int64_t> skew_{0};  // Seconds that the server is ahead.
  engine::Lock lock_;
  std::shared_ptr<const Settings> settings_;  // Guarded by lock_.
  std::string region_;                        // Guarded by lock_: as the server said.
};

}  // namespace dcache::s3
