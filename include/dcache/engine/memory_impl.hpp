// SPDX-License-Identifier: MIT
/// The bodies of memory.hpp, which includes this file at its end.
#pragma once

#include "dcache/memory.hpp"

namespace dcache {

namespace memory_detail {

/// Smaller shards cost hit ratio: over 31 cells of traces always 16 shards lose 1 point of 40.5 in
/// the mean and 5 in the worst; with this bound the mean is that of one shard.
inline constexpr std::size_t shard_entries_min = 1024;
inline constexpr std::size_t shards_default_max = 16;
inline constexpr std::size_t shards_max = 64;
/// Up to here an entry's part of the table is mostly in the core's own cache: fetching ahead is
/// work for nothing.
inline constexpr std::size_t nearby_entries_max = 8192;

inline void require_positive(const char* name, std::optional<Duration> value, const char* advice) {
  if (value && *value <= Duration(0)) {
    throw ConfigError(std::string("dcache: ") + name + " must be greater than zero, not " +
                      std::to_string(value->count()) + " ns; leave it out for " + advice);
  }
}

template <class Key, class Value>
void check(const MemoryOptions<Key, Value>& options) {
  require_positive("ttl", options.ttl, "entries that live until they are evicted");
  require_positive("idle", options.idle, "entries that may lie unused");
  if (options.max_entries == 0U) {
    throw ConfigError(
        "dcache: max_entries must be at least 1; std::nullopt means as many as memory holds");
  }
  if (options.max_weight == 0U) throw ConfigError("dcache: max_weight must be at least 1");
  if (options.max_weight.has_value() != static_cast<bool>(options.weigher)) {
    throw ConfigError(options.weigher
                          ? "dcache: a weigher without max_weight bounds nothing; set max_weight"
                          : "dcache: max_weight needs a weigher that says what an entry weighs");
  }
  if (options.shards && (*options.shards == 0 || *options.shards > shards_max)) {
    throw ConfigError("dcache: shards must be 1 to 64, not " + std::to_string(*options.shards));
  }
}

/// What shard `i` of `count` may hold of `max_entries`: at least one.
inline std::size_t share(std::size_t max_entries, std::size_t count, std::size_t i) {
  return std::max<std::size_t>(1, max_entries / count + (i < max_entries % count ? 1 : 0));
}

/// The number of shards: a power of two.
template <class Key, class Value>
std::size_t shard_count(const MemoryOptions<Key, Value>& options) {
  // None is left without an entry.
  if (options.shards) {
    return std::bit_floor(
        std::min<std::size_t>(*options.shards, options.max_entries.value_or(shards_max)));
  }
  if (options.policy == Policy::lru) return 1;
  if (!options.max_entries) return shards_default_max;
  return std::bit_floor(
      std::clamp<std::size_t>(*options.max_entries / shard_entries_min, 1, shards_default_max));
}

}  // namespace memory_detail

template <class K, class V, class H, class E>
Memory<K, V, H, E>::Memory(Options options)
    : clock_(options.clock),
      ttl_(options.ttl),
      idle_(options.idle),
      max_weight_(options.max_weight ? *options.max_weight : 0) {
  memory_detail::check(options);
  weigher_ = std::move(options.weigher);
  rules_.on_removal = std::move(options.on_removal);
  rules_.roster.policy = options.policy;
  rules_.guarded = options.guarded;
  rules_.roster.weighted = static_cast<bool>(weigher_);
  rules_.roster.buried = !Shard::plain;
  if (idle_) {
    rules_.roster.idle = static_cast<engine::Moment>(
        std::max<Duration::rep>(1, *idle_ / std::chrono::milliseconds(1)));
  }
  build(options);
}

template <class K, class V, class H, class E>
void Memory<K, V, H, E>::build(const Options& options) {
  const std::size_t count = memory_detail::shard_count(options);
  const std::size_t most = std::numeric_limits<engine::Slot>::max() / 2 * count;
  const std::size_t max_entries = std::min(options.max_entries.value_or(most), most);
  if (options.policy == Policy::adaptive && options.max_entries) {
    rules_.monitor.resize(max_entries);
  }
  rules_.fetches_ahead = max_entries > memory_detail::nearby_entries_max;
  shard_mask_ = count - 1;
  rules_.roster.weight_share = max_weight_.load(std::memory_order_relaxed) / count;
  for (std::size_t i = 0; i < count; ++i) {
    rules_.roster.entries_max = memory_detail::share(max_entries, count, i);
    shards_.push_back(std::make_unique<Shard>(rules_));
  }
}

template <class K, class V, class H, class E>
engine::Moment Memory<K, V, H, E>::after(Duration span) const noexcept {
  const Duration time = clock_ != nullptr ? clock_->now() : coarse_now();
  constexpr Duration millisecond = std::chrono::milliseconds(1);
  const Duration room = Duration::max() - time - millisecond;
  return static_cast<engine::Moment>((time + std::min(span, room) + millisecond - Duration(1)) /
                                     millisecond);
}

template <class K, class V, class H, class E>
void Memory<K, V, H, E>::learn(std::uint64_t hash) noexcept {
  rules_.monitor.note(hash);
  rules_.monitor.learn();
}

template <class K, class V, class H, class E>
template <class Source>
bool Memory<K, V, H, E>::put_as(Source&& key, V&& value, const PutOptions& options) {
  const std::uint64_t hash = H{}(key);
  engine::Terms terms;
  if (options.ttl) [[unlikely]] {
    memory_detail::require_positive("ttl", options.ttl, "the ttl of the table");
    terms.dies = after(*options.ttl);
  } else if (ttl_) {
    terms.dies = after(*ttl_);
  }
  const auto stored = store(std::forward<Source>(key), std::move(value), hash, terms, nullptr);
  return stored == engine::Stored::inserted || stored == engine::Stored::replaced;
}

// Code of the user's that runs before the value is in its cell may end what the value is a part of.
template <class K, class V, class H, class E>
template <class Source>
inline engine::Stored Memory<K, V, H, E>::store(Source&& key, V&& value, std::uint64_t hash,
                                                const engine::Terms& terms,
                                                const std::atomic<bool>* detached, bool absent) {
  if constexpr (!std::is_scalar_v<V>) {
    if (!engine::quiet_equal<K, E> || weigher_) [[unlikely]] {
      return store_owned(std::forward<Source>(key), std::move(value), hash, terms, detached,
                         absent);
    }
  }
  return store_lent(std::forward<Source>(key), value, hash, terms, detached, absent);
}

template <class K, class V, class H, class E>
template <class Source>
engine::Stored Memory<K, V, H, E>::store_owned(Source&& key, V value, std::uint64_t hash,
                                               const engine::Terms& terms,
                                               const std::atomic<bool>* detached, bool absent) {
  return store_lent(std::forward<Source>(key), value, hash, terms, detached, absent);
}

template <class K, class V, class H, class E>
template <class Source>
inline engine::Stored Memory<K, V, H, E>::store_lent(Source&& key, V& value, std::uint64_t hash,
                                                     const engine::Terms& terms,
                                                     const std::atomic<bool>* detached,
                                                     bool absent) {
  Shard& shard = this->shard(hash);
  const bool timed = terms.dies != engine::no_moment || idle_ || shard.timed();
  const engine::Arrival arrival{hash, 0, terms, timed ? this->now() : 0};
  const std::uint64_t weight = weigher_ ? weigher_(key, value) : 0;
  engine::Offered<V> offered(std::move(value));
  auto held_key = engine::hold_key<typename Shard::KeyHeld>(std::forward<Source>(key), hash);
  auto stored = engine::Stored::rejected;
  if (!held_key || !offered) {  // No memory: what could not be held was not moved.
    // NOLINTNEXTLINE(bugprone-use-after-move)
    shard.remove(held_key ? held_key.get() : key, hash, Cause::replaced);
  } else if (weigher_) {
    stored = store_weighed(held_key, offered, arrival, weight, detached);
  } else {
    stored = shard.store(std::move(held_key), std::move(offered), arrival, detached, absent);
  }
  if (stored == engine::Stored::rejected) rejected_.fetch_add(1, std::memory_order_relaxed);
  return stored;
}

// The user's equality runs before anybody is evicted, so that it may throw.
template <class K, class V, class H, class E>
engine::Stored Memory<K, V, H, E>::store_weighed(typename Shard::KeyHeld& key,
                                                 engine::Offered<V>& value, engine::Arrival arrival,
                                                 std::uint64_t weight,
                                                 const std::atomic<bool>* detached) {
  const std::uint64_t hash = arrival.hash;
  if (generation_.load(std::memory_order_acquire) != engine::fork_generation()) recount();
  Shard& shard = this->shard(hash);
  const std::uint64_t replaced = shard.weight(key.get(), hash);
  if (!make_room(weight, replaced, hash)) {
    shard.remove(key.get(), hash, Cause::replaced);
    return engine::Stored::rejected;
  }
  auto stored = engine::Stored::rejected;
  const auto give_up = [&] { rules_.weight_used.fetch_sub(weight, std::memory_order_relaxed); };
  try {
    // The entry to be replaced may have been among those that were evicted.
    if (replaced != 0 && overweight() && shard.weight(key.get(), hash) != replaced) {
      make_room(0, 0, hash);
    }
    arrival.weight = static_cast<std::uint32_t>(weight);
    stored = shard.store(std::move(key), std::move(value), arrival, detached, false);
  } catch (...) {
    give_up();
    throw;
  }
  if (stored == engine::Stored::refused || stored == engine::Stored::rejected) give_up();
  if (replaced != 0) make_room(0, 0, hash);  // It may have left just now.
  return stored;
}

// In a forked child: what threads of the parent had taken or were about to give back is nobody's.
template <class K, class V, class H, class E>
void Memory<K, V, H, E>::recount() {
  recounting_.lock();
  if (generation_.load(std::memory_order_relaxed) != engine::fork_generation()) recount(0, 0);
  generation_.store(engine::fork_generation(), std::memory_order_release);
  recounting_.unlock();
}

// Holds the shards from `at` on, all at once, so that nothing leaves meanwhile.
template <class K, class V, class H, class E>
void Memory<K, V, H, E>::recount(std::size_t at, std::uint64_t sum) noexcept {
  if (at == shards_.size()) return rules_.weight_used.store(sum, std::memory_order_relaxed);
  shards_[at]->with_weight([&](std::uint64_t weight) { recount(at + 1, sum + weight); });
}

// Takes `weight` out of what is left, evicting for it from the shards in turn. `replaced` is the
// weight of an entry that will go for it anyhow. What is stored and taken, without that, does not
// pass the bound when this returns true.
template <class K, class V, class H, class E>
bool Memory<K, V, H, E>::make_room(std::uint64_t weight, std::uint64_t replaced,
                                   std::size_t first) {
  const std::uint64_t bound = max_weight_.load(std::memory_order_relaxed);
  if (weight > bound || weight > std::numeric_limits<std::uint32_t>::max()) return false;
  rules_.weight_used.fetch_add(weight, std::memory_order_relaxed);
  const auto fits = [&] {
    const std::uint64_t used = rules_.weight_used.load(std::memory_order_relaxed);
    return used - std::min(used, replaced) <= bound;
  };
  std::size_t empty = 0;
  for (std::size_t at = first; empty < shards_.size(); ++at) {
    if (fits()) return true;
    empty = shards_[at % shards_.size()]->evict_one() ? 0 : empty + 1;
  }
  if (fits()) return true;
  rules_.weight_used.fetch_sub(weight, std::memory_order_relaxed);
  return false;
}

template <class K, class V, class H, class E>
std::vector<std::pair<K, V>> Memory<K, V, H, E>::snapshot(std::size_t limit)
  requires(std::is_copy_constructible_v<K> && std::is_copy_constructible_v<V>)
{
  struct Ranked {
    double rank;  // The place in its shard's order, 0 to 1: orders of shards are merged by it.
    std::size_t tie;
    typename Shard::Look look;

    bool operator<(const Ranked& other) const noexcept {
      return rank != other.rank ? rank < other.rank : tie < other.tie;
    }
  };
  std::vector<Ranked> ranked;
  for (auto& shard : shards_) {
    auto warm = shard->hottest(shard->timed() ? now() : 0);
    const double step = 1.0 / static_cast<double>(std::max<std::size_t>(1, warm.size()));
    double rank = 0;
    for (auto& entry : warm) ranked.push_back({rank += step, ranked.size(), std::move(entry.look)});
  }
  std::sort(ranked.begin(), ranked.end());
  std::vector<std::pair<K, V>> entries;
  for (const Ranked& entry : ranked) {
    if (entries.size() >= limit) break;
    entries.emplace_back(entry.look.key(), entry.look.value());
  }
  return entries;
}

template <class K, class V, class H, class E>
void Memory<K, V, H, E>::resize(std::size_t max_entries) {
  if (max_entries == 0) throw ConfigError("dcache: resize to at least 1 entry; clear() empties");
  const std::size_t count = shards_.size();
  for (std::size_t i = 0; i < count; ++i) {
    shards_[i]->set_entries_max(memory_detail::share(max_entries, count, i));
  }
  if (rules_.roster.policy == Policy::adaptive) rules_.monitor.resize(max_entries);
}

template <class K, class V, class H, class E>
void Memory<K, V, H, E>::resize_weight(std::uint64_t max_weight) {
  if (!weigher_) throw UsageError("dcache: resize_weight needs a table with a weigher");
  if (max_weight == 0) throw ConfigError("dcache: resize_weight to at least 1; clear() empties");
  max_weight_.store(max_weight, std::memory_order_relaxed);
  for (auto& shard : shards_) shard->set_weight_share(max_weight / shards_.size());
  make_room(0, 0, 0);
}

template <class K, class V, class H, class E>
void Memory<K, V, H, E>::cleanup() {
  for (auto& shard : shards_) {
    if (shard->timed()) shard->sweep(now());
  }
}

template <class K, class V, class H, class E>
std::size_t Memory<K, V, H, E>::size() const noexcept {
  std::size_t total = 0;
  for (const auto& shard : shards_) total += shard->size();
  return total;
}

template <class K, class V, class H, class E>
MemoryStats Memory<K, V, H, E>::stats() const noexcept {
  MemoryStats stats;
  stats.hits = counts_.sum(hits);
  stats.misses = counts_.sum(misses);
  for (const auto& shard : shards_) {
    stats.inserted += shard->inserted();
    stats.replaced += shard->removed(Cause::replaced);
    stats.evicted += shard->removed(Cause::evicted);
    stats.expired += shard->removed(Cause::expired);
    stats.erased += shard->removed(Cause::erased);
  }
  stats.rejected = rejected_.load(std::memory_order_relaxed);
  stats.listener_errors = rules_.listener_errors.load(std::memory_order_relaxed);
  stats.entries = size();
  stats.weight = rules_.weight_used.load(std::memory_order_relaxed);
  return stats;
}

}  // namespace dcache
