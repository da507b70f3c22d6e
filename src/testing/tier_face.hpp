// SPDX-License-Identifier: MIT
/// A tier, asked as if it were a backend: what stands around a store in a chain, by the words of
/// the contract.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "dcache/engine/tiers.hpp"

namespace dcache::testing {

/// A chain of one tier. Operations block in `submit`; each of their items is a call of one
/// function, several of them one batch. Thread-safe.
///
/// `add` and `await` are what a tier asks, and nobody asks of one: they are refused.
class TierFace final : public engine::Backend {
 public:
  /// Throws what `Chain` throws. `name`: a function's, so that nothing else has its keys.
  TierFace(const std::string& name, const engine::TierOptions& tier, engine::ChainOptions chain);

  std::string name() const override;
  engine::Capabilities capabilities() const noexcept override { return can_; }
  void submit(const engine::Ref<engine::Op>& op) noexcept override;
  void check() override { chain_->check(); }
  std::chrono::nanoseconds budget() const noexcept override;
  void close() noexcept override { chain_->close(); }

 private:
  using Call = std::unique_ptr<engine::FarCall>;

  void answer(engine::Op& op);
  void get(engine::Op& op) const;
  void put(engine::Op& op) const;
  void begin(engine::Item& item, bool leases);
  void fill(engine::Item& item);
  void release(engine::Item& item);
  Call call(const engine::Item& item) const;
  std::vector<Call> calls_of(const engine::Op& op) const;
  Call take(std::uint64_t token);

  const std::shared_ptr<engine::Backend> backend_;
  engine::Capabilities can_;
  const std::shared_ptr<engine::Chain> chain_;
  const std::shared_ptr<engine::FarFunction> function_;
  std::mutex mutex_;
  // Guarded by mutex_.
  std::map<std::uint64_t, Call> begun_;  // By the token that who asked was given.
  std::uint64_t tokens_ = 0;
};

}  // namespace dcache::testing
