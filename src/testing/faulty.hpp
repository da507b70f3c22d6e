// SPDX-License-Identifier: MIT
/// A store that is not to be relied on: some of what it is asked fails, with or without having
/// happened, some is answered too late or with damaged bytes.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "dcache/engine/backend.hpp"

namespace dcache::testing {

/// One operation in five has a fault, by a sequence that is the same in each run. Records are
/// damaged, marks are not: one that is changed is another mark. Thread-safe.
class Faulty final : public engine::Backend {
 public:
  explicit Faulty(std::shared_ptr<engine::Backend> backend);

  std::string name() const override { return backend_->name(); }
  engine::Capabilities capabilities() const noexcept override;
  void submit(const engine::Ref<engine::Op>& op) noexcept override;
  void check() override { backend_->check(); }
  std::chrono::nanoseconds budget() const noexcept override { return backend_->budget(); }
  void close() noexcept override { backend_->close(); }

 private:
  enum class Fault : std::uint8_t { none, lost, answer_lost, late, damaged };
  class Late;
  class Forwarded;

  Fault next(engine::Verb verb) noexcept;

  const std::shared_ptr<engine::Backend> backend_;
  const std::shared_ptr<Late> late_;
  std::atomic<std::uint64_t> asked_{0};
};

}  // namespace dcache::testing
