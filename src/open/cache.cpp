// SPDX-License-Identifier: MIT
#include "dcache/cache.hpp"

#include <cstdlib>
#include <map>
#include <mutex>
#include <utility>

#include "dcache/engine/mode.hpp"
#include "dcache/engine/open.hpp"
#include "dcache/error.hpp"

namespace dcache {
namespace {

// Throws ConfigError for options, which would say nothing.
bool is_memory(const CacheTier& tier) {
  if (tier.backend || engine::scheme_of(tier.url) != "memory") return false;
  if (tier.url.size() == std::string_view("memory:").size()) return true;
  throw ConfigError(
      "dcache: memory: has no options; in C++ each function says its own: max_entries, max_weight");
}

// Never destroyed: threads may call while the process ends.
struct Application {
  std::mutex mutex;
  // Guarded by mutex.
  bool configured = false;
  std::optional<engine::DefaultTiers> tiers;                // If it is.
  std::map<std::string, engine::DefaultTiers> by_url = {};  // Of the environment.
};
Application& application() {
  static auto* const only = new Application;
  return *only;
}

engine::TierOptions far_tier(CacheTier&& tier) {
  if (!tier.backend && tier.url.empty()) {
    throw ConfigError(
        "dcache: a tier is null or an empty URL; expected a backend, or a URL such as "
        "file:///var/cache/app");
  }
  if (!tier.backend) tier.backend = engine::open_backend(tier.url);
  return {std::move(tier.backend), tier.ttl, tier.reads, tier.writes, tier.budget};
}

engine::DefaultTiers behind_memory(std::vector<CacheTier> tiers) {
  std::vector<engine::TierOptions> far;
  far.reserve(tiers.size());
  for (CacheTier& tier : tiers) far.push_back(far_tier(std::move(tier)));
  engine::DefaultTiers found;
  found.chain = std::make_shared<engine::Chain>(std::move(far), engine::ChainOptions());
  return found;
}

// What it throws names the variable of the environment that is wrong.
template <class Read>
auto as_said_by(const char* variable, Read&& read) {
  try {
    return read();
  } catch (const ConfigError& error) {
    const std::string_view why = error.what();
    throw ConfigError(std::string("dcache: ")
                          .append(variable)
                          .append(": ")
                          .append(why.substr(why.find(' ') + 1)));
  }
}

// REQUIRES: the lock is held. Nothing: it names memory alone.
std::optional<engine::DefaultTiers> of_environment(Application& own, const std::string& url) {
  if (is_memory(url)) return std::nullopt;
  engine::DefaultTiers& tiers = own.by_url[url];
  if (!tiers.chain) tiers = behind_memory({url});
  return tiers;
}

}  // namespace

// The same chain for all functions under one URL.
std::optional<engine::DefaultTiers> cache_detail::open_default_tiers() {
  Application& own = application();
  const char* const space = std::getenv("DCACHE_NAMESPACE");
  std::optional<engine::DefaultTiers> found;
  const std::lock_guard lock(own.mutex);
  if (own.configured) {
    found = own.tiers;
  } else if (const char* const url = std::getenv("DCACHE_URL"); url != nullptr && *url != '\0') {
    found = as_said_by("DCACHE_URL", [&] { return of_environment(own, url); });
  }
  if (found && space != nullptr) {
    as_said_by("DCACHE_NAMESPACE", [&] { return engine::key_prefix(space, "f"); });
    found->space = space;
  }
  return found;
}

void configure(Configuration changes) {
  if (!changes.tiers.empty()) {
    std::erase_if(changes.tiers, is_memory);
    std::optional<engine::DefaultTiers> tiers;
    if (!changes.tiers.empty()) tiers = behind_memory(std::move(changes.tiers));
    Application& own = application();
    const std::lock_guard lock(own.mutex);
    own.configured = true;
    own.tiers.swap(tiers);
    engine::renew_default_tiers();
  }
  if (changes.mode) engine::set_mode(*changes.mode);
}

struct Cache::Names {
  struct Named {
    What what;
    std::weak_ptr<engine::FarFunction> function;
  };

  std::mutex mutex;
  std::map<std::pair<std::string, std::string>, Named> named;  // Guarded by mutex.
};

Cache::Cache(std::vector<CacheTier> tiers, CacheOptions options)
    : space_(std::move(options.space)) {
  if (tiers.empty()) throw ConfigError("dcache: a Cache without tiers; expected at least one");
  engine::key_prefix(space_, "f");  // Throws for a namespace that no store would take.
  near_ = is_memory(tiers.front());
  std::vector<engine::TierOptions> far;
  for (std::size_t at = near_ ? 1 : 0; at < tiers.size(); ++at) {
    if (is_memory(tiers[at])) {
      throw ConfigError("dcache: memory: is tier " + std::to_string(at + 1) +
                        " of a Cache; expected it first: it is the nearest");
    }
    far.push_back(far_tier(std::move(tiers[at])));
  }
  if (far.empty()) return;
  engine::ChainOptions chain;
  chain.secret = std::move(options.secret);
  chain.retain = options.retain;
  chain.compress_from = options.compress_from;
  chain.near_ttl = options.near_ttl;
  chain.mark_ttl = options.mark_ttl;
  chain.on_trouble = std::move(options.on_trouble);
  chain.clock = options.clock;
  chain_ = std::make_shared<engine::Chain>(std::move(far), std::move(chain));
  names_ = std::make_shared<Names>();
}

std::shared_ptr<engine::FarFunction> Cache::far_function(const std::string& name,
                                                         std::string_view version,
                                                         const What& what) const {
  if (name.empty()) {
    throw ConfigError(
        "dcache: a function of a Cache has no name; expected one, under which its results are "
        "kept");
  }
  auto made = std::make_shared<engine::FarFunction>(chain_, space_, name, version);
  const std::lock_guard lock(names_->mutex);
  std::erase_if(names_->named, [](const auto& each) { return each.second.function.expired(); });
  const auto [at, is_new] =
      names_->named.try_emplace({name, std::string(version)}, Names::Named{what, made});
  if (!is_new && at->second.what != what) {
    throw ConfigError("dcache: two functions of one Cache have the name \"" + name +
                      "\" and would be given each other's results: give one of them another name, "
                      "or a version");
  }
  at->second.function = made;
  return made;
}

void Cache::check() const {
  if (chain_) chain_->check();
}

std::vector<engine::TierStats> Cache::stats() const {
  return chain_ ? chain_->stats() : std::vector<engine::TierStats>();
}

void Cache::close() const noexcept {
  if (chain_) chain_->close();
}

}  // namespace dcache
