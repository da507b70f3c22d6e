// SPDX-License-Identifier: MIT
#include <algorithm>
#include <optional>
#include <utility>

#include "dcache/testing/backend_suite.hpp"

#include "testing/faulty.hpp"
#include "testing/tier_face.hpp"

namespace dcache::testing {
namespace {

struct Around {
  std::optional<Duration> ttl = std::nullopt;
  const char* secret = "";
  std::size_t compress_from = 0;
  bool reads = true;
  bool writes = true;
  bool faults = false;
};

constexpr std::chrono::hours longest{1};
constexpr const char* any_secret = "a secret of the suite";
// What a record has besides the value.
constexpr std::size_t record_head = 512;
// Of what the row is patient for: a store that is late with some answers costs as much for each. It
// has to do for what a slow store takes on a busy machine.
constexpr int budget_part = 20;
// Its breaker may be open for seconds, more than once.
constexpr int more_patience = 6;

std::shared_ptr<engine::Backend> tier(const std::string& name, const Around& around,
                                      const BackendRow& row) {
  engine::TierOptions tier;
  tier.backend = row.make();
  if (tier.backend == nullptr) return nullptr;
  if (around.faults) tier.backend = std::make_shared<Faulty>(std::move(tier.backend));
  tier.ttl = around.ttl;
  tier.reads = around.reads;
  tier.writes = around.writes;
  tier.budget = around.faults ? row.patience / budget_part : row.patience;
  engine::ChainOptions chain;
  chain.secret = around.secret;
  chain.compress_from = around.compress_from;
  return std::make_shared<TierFace>("suite, " + name, tier, std::move(chain));
}

BackendHook hook(const std::string& name, Around around) {
  return {name, [name, around](const BackendRow& row) {
            BackendRow changed = row;
            changed.make = [name, around, row] { return tier(name, around, row); };
            changed.value_max -= std::min(record_head, changed.value_max);
            changed.gives_back = around.reads && around.writes;
            changed.reliable = !around.faults;
            changed.frees_at_once = false;
            if (around.faults) changed.patience *= more_patience;
            return changed;
          }};
}

}  // namespace

const std::vector<BackendHook>& backend_hooks() {
  static const std::vector<BackendHook> hooks = {
      {"bare", [](const BackendRow& row) { return row; }},
      hook("a tier", {}),
      hook("a tier with ttl", {.ttl = longest}),
      hook("a tier with a secret", {.secret = any_secret}),
      hook("a tier that compresses", {.compress_from = 1}),
      hook("a tier that is not read", {.reads = false}),
      hook("a tier that is not written to", {.writes = false}),
      hook("a tier with all of it", {.ttl = longest, .secret = any_secret, .compress_from = 1}),
      hook("a tier with faults", {.secret = any_secret, .compress_from = 1, .faults = true}),
  };
  return hooks;
}

}  // namespace dcache::testing
