// SPDX-License-Identifier: MIT
/// A backend and what is around it: before each operation its breaker, after it breaker, meter and
/// whoever wants to know of trouble.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>

#include "dcache/engine/backend.hpp"
#include "dcache/engine/lock.hpp"
#include "dcache/engine/tiers.hpp"

#include "tiers/breaker.hpp"

namespace dcache::engine {

/// The counters of one tier. Relaxed: nothing is told from their order.
struct Meter {
  std::atomic<std::uint64_t> hits{0};
  std::atomic<std::uint64_t> misses{0};
  std::atomic<std::uint64_t> dead{0};
  std::atomic<std::uint64_t> stores{0};
  std::atomic<std::uint64_t> refused_stores{0};
  std::atomic<std::uint64_t> failures{0};
  std::atomic<std::uint64_t> timeouts{0};
  std::atomic<std::uint64_t> skipped{0};
  std::array<std::atomic<std::uint64_t>, record_faults> faults{};
};

inline void count(std::atomic<std::uint64_t>& counter) noexcept {
  counter.fetch_add(1, std::memory_order_relaxed);
}

/// Thread-safe.
class Tier {
 public:
  /// Throws ConfigError for what can never work.
  Tier(TierOptions options, const ChainOptions& chain);

  Backend& backend() const noexcept { return *options.backend; }
  /// Whether to ask it now; counts where not.
  bool available(SteadyMoment now) noexcept;
  /// It was available, and nothing was asked.
  void not_asked() noexcept { breaker_.not_asked(); }
  /// After an operation that was submitted has completed or was abandoned. True: the store
  /// answered. Throws ConfigError if it can never work.
  bool settle(const Op& op, const ChainOptions& chain, SteadyMoment now);
  TierStats stats() const;
  /// Why it failed last, for a message that names it. Empty: it has not.
  std::string last_trouble() const;

  const TierOptions options;
  const std::string name;
  const Capabilities can;
  const Duration budget;
  const Duration near_ttl;
  const Duration mark_ttl;
  Meter meter;

 private:
  void remember(std::string_view why) noexcept;
  void tell(const std::string& why, const ChainOptions& chain);

  Breaker breaker_;
  std::atomic<SteadyMoment::rep> told_{0};
  mutable Lock lock_;
  std::shared_ptr<const std::string> last_trouble_;  // Guarded by lock_.
};

/// To a list for a message: a tier that was not reached, and why.
inline void add_missed(std::string& missed, const Tier& tier) {
  const std::string why = tier.last_trouble();
  missed += (missed.empty() ? "" : ", ") + tier.name + (why.empty() ? "" : ": " + why);
}

}  // namespace dcache::engine
