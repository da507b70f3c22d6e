// SPDX-License-Identifier: MIT
/// What every backend has to do, as a suite that any test framework can run.
///
///   for (const auto& hook : dcache::testing::backend_hooks()) {
///     for (const auto& check : dcache::testing::backend_checks()) {
///       const std::string wrong = check.run(hook.around(row));   // Empty: it holds.
///     }
///   }
///
/// What is wrong without a hook, the first one, is wrong with each, and those with faults wait a
/// minute for each of its checks: stop there. Link `dcache::testing`. The same suite runs over our
/// own backends, over plugins and, by `dcache.testing.check_backend`, over those that are written
/// in Python.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dcache/engine/backend.hpp"

namespace dcache::testing {

/// A backend, as the suite sees it. What it cannot do is told by its capabilities, and here.
/// Whoever writes one sets `make`; the rest is what hooks change.
struct BackendRow {
  /// Another object each time, over the same store.
  std::function<std::shared_ptr<engine::Backend>()> make;
  /// The largest value that it takes.
  std::size_t value_max = std::size_t{4} << 20U;
  /// While one thread replaces a value, others find the old one or the new one, never none. False
  /// for stores that are consistent in the end only.
  bool steady = true;
  /// How long an operation may take here.
  std::chrono::nanoseconds patience = std::chrono::seconds(10);
  /// False: what is put is not found again, in any case.
  bool gives_back = true;
  /// Operations fail now and then, and what is there is not found now and then. Asked again within
  /// `patience`, they do not.
  bool reliable = true;
  /// A lease is free when its release is done. False: soon after, since nobody waits for a tier's.
  bool frees_at_once = true;
};

struct BackendCheck {
  std::string sentence;  ///< What holds if it passes.
  /// What is wrong; empty: nothing. Uses keys that no other run uses. Throws nothing.
  std::function<std::string(const BackendRow& row)> run;
};

const std::vector<BackendCheck>& backend_checks();

/// What stands around a backend in a chain. The checks are the same; what deviates is in the row.
struct BackendHook {
  std::string name;
  std::function<BackendRow(const BackendRow& row)> around;
};

/// "bare": nothing. Then a tier (breaker, meter, budget, marks), alone and with each of its
/// options, one with all that change bytes or times, and one whose store has faults.
const std::vector<BackendHook>& backend_hooks();

}  // namespace dcache::testing
