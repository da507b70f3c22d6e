// SPDX-License-Identifier: MIT
/// The mark of a function in one tier, as this process last saw it.
#pragma once

#include <mutex>
#include <optional>

#include "dcache/engine/lock.hpp"
#include "dcache/engine/tiers.hpp"

namespace dcache::engine {

/// Thread-safe.
struct FarFunction::Marked {
 public:
  /// Nothing: it has to be read (again).
  std::optional<Mark> at(SteadyMoment now, Duration mark_ttl) const noexcept {
    const std::lock_guard lock(lock_);
    if (!known_ || now - read_at_ >= mark_ttl) return std::nullopt;
    return mark_;
  }
  /// `clears`: as it was before it was read. What was read before a clear is not learnt after it.
  void learn(const Mark& mark, SteadyMoment read_at, std::uint32_t clears) noexcept {
    const std::lock_guard lock(lock_);
    if (clears != clears_) return;
    mark_ = mark;
    read_at_ = read_at;
    known_ = true;
  }
  /// A clear begins, or has ended: what was read before counts no more. The number to learn with.
  std::uint32_t clear() noexcept {
    const std::lock_guard lock(lock_);
    known_ = false;
    return ++clears_;
  }
  std::uint32_t clears() const noexcept {
    const std::lock_guard lock(lock_);
    return clears_;
  }

 private:
  mutable Lock lock_;
  // Guarded by lock_.
  Mark mark_{};
  SteadyMoment read_at_;
  bool known_ = false;
  std::uint32_t clears_ = 0;
};

/// One that nobody has: of the time and of chance.
Mark make_mark();
/// Nothing: these bytes are no mark.
std::optional<Mark> mark_of(std::string_view bytes) noexcept;

}  // namespace dcache::engine
