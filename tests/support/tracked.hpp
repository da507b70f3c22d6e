// SPDX-License-Identifier: MIT
// Values that know whether every one that was constructed was destroyed exactly once.
#pragma once

#include <atomic>
#include <cstdint>
#include <ostream>
#include <utility>

namespace dcache::testing {

/// Thread-safe. A test has one and hands it to its values.
class Ledger {
 public:
  std::int64_t living() const noexcept { return living_; }
  /// Values that were destroyed, or copied from, while they were not alive.
  std::int64_t faults() const noexcept { return faults_; }

 private:
  friend class Tracked;
  std::atomic<std::int64_t> living_{0};
  std::atomic<std::int64_t> faults_{0};
};

/// A number under observation. Never quiet for the engine: copying and destroying it is user code.
class Tracked {
 public:
  Tracked(Ledger& ledger, std::uint64_t number) noexcept : ledger_(&ledger), number_(number) {
    ++ledger_->living_;
  }
  Tracked(const Tracked& other) noexcept : ledger_(other.ledger_), number_(other.number_) {
    other.check();
    ++ledger_->living_;
  }
  Tracked(Tracked&& other) noexcept : Tracked(std::as_const(other)) {}
  Tracked& operator=(const Tracked& other) noexcept {
    check();
    other.check();
    number_ = other.number_;
    return *this;
  }
  ~Tracked() {
    check();
    alive_ = 0;
    --ledger_->living_;
  }

  std::uint64_t number() const noexcept {
    check();
    return number_;
  }

  friend bool operator==(const Tracked& a, const Tracked& b) noexcept {
    return a.number() == b.number();
  }
  friend std::ostream& operator<<(std::ostream& out, const Tracked& tracked) {
    return out << tracked.number_;
  }

 private:
  static constexpr std::uint64_t sign_of_life = 0x5A5A5A5A12345678U;
  void check() const noexcept {
    if (alive_ != sign_of_life) ++ledger_->faults_;
  }

  volatile std::uint64_t alive_ = sign_of_life;
  Ledger* ledger_;
  std::uint64_t number_;
};

}  // namespace dcache::testing
