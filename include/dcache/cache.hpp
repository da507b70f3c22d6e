// SPDX-License-Identifier: MIT
/// `Cache`: functions whose results outlive the process and are shared with others.
///
///   dcache::Cache cache({"memory:", "file:///var/cache/app"});
///   auto quote = cache.memoize("quote", fetch_quote, {.ttl = 10min});
///
/// Tiers, nearest first: the near tier of this process (`memory:`), if there is one, then far ones,
/// by URL or as backends. A call asks them in that order; what a farther one has is kept in all
/// that are nearer; what none has is computed, and stored far to near. With one far tier alone each
/// call asks it.
///
/// A function is known in far tiers by the name that it is memoized under: the same from every
/// program, and from Python, so the name stands for what the function does. Results and arguments
/// need a `Codec` (`dcache/codec.hpp`).
#pragma once

#include <chrono>
#include <concepts>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeindex>
#include <typeinfo>
#include <utility>
#include <vector>

#include "dcache/codec.hpp"
#include "dcache/engine/backend.hpp"
#include "dcache/engine/default_tiers.hpp"
#include "dcache/engine/far_side.hpp"
#include "dcache/engine/tiers.hpp"
#include "dcache/memoize.hpp"
#include "dcache/mode.hpp"

namespace dcache {

/// A tier of a cache: a URL or a backend, and how it is used.
struct CacheTier {
  // NOLINTBEGIN(*-explicit-*): whoever lists tiers writes their names.
  CacheTier(const char* name) : url(name) {}
  CacheTier(std::string name) : url(std::move(name)) {}
  CacheTier(std::shared_ptr<engine::Backend> store) : backend(std::move(store)) {}
  template <std::derived_from<engine::Backend> B>
  CacheTier(std::shared_ptr<B> store) : backend(std::move(store)) {}
  // NOLINTEND(*-explicit-*)

  std::string url;
  std::shared_ptr<engine::Backend> backend;
  /// The most that a result is fresh in this tier, > 0. Of far tiers.
  std::optional<Duration> ttl = std::nullopt;
  bool reads = true;
  bool writes = true;
  /// What a call may wait for it in all, > 0; by default what its backend says: 100 ms for most.
  std::optional<Duration> budget = std::nullopt;
};

struct CacheOptions {
  /// In front of every key: at most 64 letters, digits and signs.
  std::string space = {};
  /// Signs what is stored, and takes nothing else; at least 16 random bytes. Empty: a checksum.
  std::string secret = {};
  /// How long a nearer tier may serve what another process has overwritten or invalidated, > 0.
  /// Nothing: what each farther one says: 60 s in front of S3, 5 s in front of most.
  std::optional<Duration> near_ttl = std::nullopt;
  /// How long it may take until a process notices that another has cleared a function, >= 0.
  /// Nothing: what each tier says: 10 s of S3, 1 s of most.
  std::optional<Duration> mark_ttl = std::nullopt;
  /// How long far tiers keep a result without `ttl`, > 0.
  Duration retain = std::chrono::hours(24 * 30);
  /// Payloads from this size on are compressed if that saves a tenth; 0: none is.
  std::size_t compress_from = 4096;
  /// Told that a tier fails, and why, at most every ten seconds for each. Any thread.
  std::function<void(const std::string& tier, const std::string& why)> on_trouble = nullptr;
  /// Null: the machine's. Outlives the cache.
  const Clock* clock = nullptr;
};

/// What `configure` changes; the rest stays as it is.
struct Configuration {
  /// The far tiers, behind their memory, of functions that `dcache::memoize` was given with a name,
  /// from their next miss on; {"memory:"}: none. At first what `DCACHE_URL` says.
  std::vector<CacheTier> tiers = {};
  /// Of the whole process, from the next call on. At first what `DCACHE_MODE` says.
  std::optional<Mode> mode = std::nullopt;
};

/// Throws ConfigError for tiers that can never work; nothing has changed then. Thread-safe.
///
///   dcache::configure({.tiers = {"file:///var/cache/app"}});
///   dcache::configure({.mode = dcache::Mode::bypass});
void configure(Configuration changes);

namespace cache_detail {
/// The far tiers of the application, for `dcache::memoize`.
std::optional<engine::DefaultTiers> open_default_tiers();
inline const bool announced = engine::announce_default_tiers(&open_default_tiers);
}  // namespace cache_detail

/// Copies share the tiers. Thread-safe.
class Cache {
 public:
  /// Opens nothing yet. Throws ConfigError for what can never work.
  explicit Cache(std::vector<CacheTier> tiers, CacheOptions options = {});
  Cache(std::initializer_list<CacheTier> tiers, CacheOptions options = {})
      : Cache(std::vector<CacheTier>(tiers), std::move(options)) {}
  /// One tier alone.
  explicit Cache(const char* url, CacheOptions options = {})
      : Cache(std::vector<CacheTier>{CacheTier(url)}, std::move(options)) {}
  explicit Cache(const std::string& url, CacheOptions options = {})
      : Cache(std::vector<CacheTier>{CacheTier(url)}, std::move(options)) {}

  /// Remembers what `function` returned under `name`. `version` changes when the meaning of its
  /// results does. Throws ConfigError for an empty name, for options that can never work, and where
  /// this cache has a function of another type under that name and version, for they would be given
  /// each other's results; whether two of one type differ nobody can tell.
  template <class F>
    requires memoize_detail::Plain<F>
  Memoized<engine::signature_of<F>> memoize(std::string name, F function,
                                            memoize_detail::Options<F> options = {},
                                            std::string_view version = {}) const {
    return wrap<engine::signature_of<F>>(std::move(name), std::move(function), std::move(options),
                                         version);
  }
  template <class S, class F = S*>
    requires std::is_function_v<S>
  Memoized<S> memoize(std::string name, F function,
                      MemoizeOptions<engine::result_of<S>> options = {},
                      std::string_view version = {}) const {
    return wrap<S>(std::move(name), std::move(function), std::move(options), version);
  }

  /// Connects to every tier. Throws ConfigError or TierError, which names the one that is wrong.
  void check() const;
  std::vector<engine::TierStats> stats() const;
  /// Lets go of files, sockets and threads; every far tier is a miss from then on.
  void close() const noexcept;

 private:
  template <class S, class F>
  Memoized<S> wrap(std::string name, F function, MemoizeOptions<engine::result_of<S>> options,
                   std::string_view version) const {
    static_assert(engine::goes_far<S>,
                  "dcache: a Cache needs a Codec for the result and for each argument: specialise "
                  "dcache::Codec<T>, or use dcache::memoize, which stays in this process.");
    if (!chain_) return Memoized<S>(std::move(name), std::move(function), std::move(options));
    return with_far_tiers(static_cast<S*>(nullptr), std::move(name), std::move(function),
                          std::move(options), version);
  }
  template <class R, class... P, class F>
  Memoized<R(P...)> with_far_tiers(R (*)(P...), std::string name, F function,
                                   MemoizeOptions<std::remove_cv_t<R>> options,
                                   std::string_view version) const {
    auto side =
        engine::far_side<std::remove_cv_t<R>, P...>(far_function(name, version, what(function)));
    side.near = near_;
    if (near_) side.near_ttl = chain_->near_ttl();
    return Memoized<R(P...)>(std::move(name), std::move(function), std::move(options),
                             std::move(side));
  }
  // What tells functions apart: their type, and where all have the same, their address.
  using What = std::pair<std::type_index, const void*>;
  template <class F>
  static What what(const F& function) {
    const void* address = nullptr;
    if constexpr (std::is_pointer_v<F>) address = reinterpret_cast<const void*>(function);
    return {typeid(F), address};
  }
  std::shared_ptr<engine::FarFunction> far_function(const std::string& name,
                                                    std::string_view version,
                                                    const What& what) const;

  struct Names;
  std::shared_ptr<engine::Chain> chain_;  // Null: there is no far tier.
  std::shared_ptr<Names> names_;          // Of this chain.
  bool near_ = false;
  std::string space_;
};

}  // namespace dcache
