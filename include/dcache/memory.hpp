// SPDX-License-Identifier: MIT
/// The near tier: a bounded concurrent table of live values.
///
/// `Memory<Key, Value>` is bounded by entries and, with a weigher, by total weight. Who leaves is
/// decided by a policy that adapts to the trace (S3-FIFO, Yang et al., SOSP 2023, with knobs chosen
/// online by sampled shadow caches); `Policy::lru` is exact LRU. Entries may have a time to live,
/// and the table a time to idle. Everything is O(1), amortised.
///
/// Threads: every method may be called from any thread at any time, except the destructor. A hit
/// takes no lock (with `Policy::lru` it takes its shard's); misses and stores lock one shard for a
/// short passage of our own code. User code (hash, equality, copies, destructors, weigher,
/// listener) never runs while a lock is held or the table is inconsistent: it may throw, which
/// leaves the table as it was, and may call back into the same table.
///
/// A `Memory` computes nothing: see `memoize` for that.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dcache/clock.hpp"
#include "dcache/engine/fork.hpp"
#include "dcache/engine/hash.hpp"
#include "dcache/engine/hot.hpp"
#include "dcache/engine/lock.hpp"
#include "dcache/engine/shard.hpp"
#include "dcache/engine/stripes.hpp"
#include "dcache/error.hpp"
#include "dcache/stats.hpp"

namespace dcache {

/// Who leaves when room is needed.
using Policy = engine::Policy;

/// How a near tier is made. Whatever is left out has the default shown.
template <class Key, class Value>
struct MemoryOptions {
  /// The most entries, > 0. `nullopt`: as many as memory holds, or as `max_weight` allows.
  std::optional<std::size_t> max_entries = 10'000;
  /// The most weight in all, > 0, in the weigher's unit. Needs a `weigher`.
  std::optional<std::uint64_t> max_weight = std::nullopt;
  /// What an entry weighs: 0 to 2^32 - 1. Weight 0 is never evicted to save weight.
  std::function<std::uint64_t(const Key&, const Value&)> weigher = nullptr;
  /// How long an entry lives after it was stored, > 0, in steps of 1 ms. Exact to 10 ms. Beyond 24
  /// days an entry may be forgotten early.
  std::optional<Duration> ttl = std::nullopt;
  /// How long an entry lives after it was last used, > 0; never longer than its `ttl`.
  std::optional<Duration> idle = std::nullopt;
  /// Told about every entry that leaves, after it has left. What it throws is counted, not passed
  /// on. May call back into the table.
  std::function<void(const Key&, const Value&, Cause)> on_removal = nullptr;
  Policy policy = Policy::adaptive;
  /// 1 to 64, rounded down to a power of two. `nullopt`: by size, 1 to 16; one with Policy::lru,
  /// since only one table has one order.
  std::optional<unsigned> shards = std::nullopt;
  /// True: a lock of the caller's keeps calls from ever overlapping (the interpreter's, say), so
  /// the table takes none of its own. The end of a `Hit` is a call, too.
  bool guarded = false;
  /// Outlives the table. Null: the machine's coarse clock.
  const Clock* clock = nullptr;
};

/// What one entry may have of its own.
struct PutOptions {
  /// Instead of the table's `ttl`, > 0.
  std::optional<Duration> ttl = std::nullopt;
};

/// `Hash` gives 64 well mixed bits; `Equal` says whether two keys are the same. Both are
/// default-constructed for each use, so they have no state. Look-ups take whatever both accept
/// (`std::string_view` for `std::string`).
template <class Key, class Value, class Hash = engine::Hash<Key>, class Equal = engine::Same<Key>>
class Memory {
  static_assert(std::is_object_v<Key> && !std::is_const_v<Key> && !std::is_array_v<Key>,
                "dcache::Memory keeps keys by value: use std::string for text, "
                "std::vector for arrays, and no reference or const.");
  static_assert(std::is_object_v<Value> && !std::is_const_v<Value> && !std::is_array_v<Value>,
                "dcache::Memory keeps values by value: no reference, array or const.");
  static_assert(std::is_move_constructible_v<Key> && std::is_move_constructible_v<Value>,
                "dcache::Memory moves keys and values in; share what cannot move through "
                "std::shared_ptr<const T>.");

 public:
  using Options = MemoryOptions<Key, Value>;
  /// A value to be moved; what fits a register comes in one.
  using Incoming = std::conditional_t<std::is_scalar_v<Value>, Value, Value&&>;

  /// Throws ConfigError for options that can never work. Allocates next to nothing.
  explicit Memory(Options options = {});

  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() = default;

  using Shard = engine::Shard<Key, Value, Hash, Equal>;

  /// An entry that lives, or none. It stays as it is until this ends, whoever evicts, replaces or
  /// erases it meanwhile; then the last of its readers destroys it and tells the listener. Any
  /// thread may end it, before its table ends; of a guarded table that is a call like any other.
  class Hit {
   public:
    explicit operator bool() const noexcept { return static_cast<bool>(found_.look); }
    /// A reference; of plain entries (numbers, and structs of them, with their key 64 bytes at
    /// most) the copy that was made when it was found. REQUIRES: there is an entry. The same holds
    /// of `key`, which for `std::string` is a `std::string_view`.
    decltype(auto) value() const& noexcept { return found_.look.value(); }
    void value() const&& = delete;  // It would refer to what ends with the hit.
    decltype(auto) key() const& noexcept { return found_.look.key(); }
    void key() const&& = delete;

    // --- For the engine ---

    /// True: past the moment from which the caller wanted to look closer.
    bool review() const noexcept { return now_ >= found_.terms.review; }
    engine::Slot slot() const noexcept { return found_.look.place().slot; }
    const engine::Terms& terms() const noexcept { return found_.terms; }
    /// When it was found, if it has a deadline.
    engine::Moment now() const noexcept { return now_; }

   private:
    friend class Memory;
    typename Shard::Found found_;
    engine::Moment now_ = 0;
  };

  /// A copy of the value, or nullopt. Counts, and tells the policy.
  template <class View = Key>
  DCACHE_HOT std::optional<Value> get(const View& key) {
    const Hit hit = find(key);
    return hit ? std::optional<Value>(hit.value()) : std::nullopt;
  }

  /// The same read in place: for values that are dear to copy, or cannot be. Whoever holds many
  /// hits holds what has left the table, besides its bounds.
  template <class View = Key>
  DCACHE_HOT Hit find(const View& key) {
    Hit hit;
    find(key, Hash{}(key), hit);
    return hit;
  }

  /// Stores, replacing what was there. False: not kept (heavier than the whole table, or no
  /// memory); an older value of the key is gone then, too, and the value may be moved from or not.
  bool put(Key&& key, Incoming value, const PutOptions& options = {}) {
    return put_as(std::move(key), std::move(value), options);
  }
  bool put(const Key& key, Incoming value, const PutOptions& options = {})
    requires std::is_copy_constructible_v<Key>
  {
    return put_as(key, std::move(value), options);
  }
  bool put(Key&& key, const Value& value, const PutOptions& options = {})
    requires(!std::is_scalar_v<Value> && std::is_copy_constructible_v<Value>)
  {
    return put_as(std::move(key), Value(value), options);
  }
  bool put(const Key& key, const Value& value, const PutOptions& options = {})
    requires(!std::is_scalar_v<Value> && std::is_copy_constructible_v<Key> &&
             std::is_copy_constructible_v<Value>)
  {
    return put_as(key, Value(value), options);
  }

  /// Forgets. True: there was an entry.
  template <class View = Key>
  bool erase(const View& key) {
    const std::uint64_t hash = Hash{}(key);
    return shard(hash).remove(key, hash, Cause::erased);
  }

  /// Forgets everything that was stored before the call.
  void clear() {
    for (auto& shard : shards_) shard->clear();
  }

  /// Copies of up to `limit` entries that live, hottest first. Only where both can be copied.
  std::vector<std::pair<Key, Value>> snapshot(
      std::size_t limit = std::numeric_limits<std::size_t>::max())
    requires(std::is_copy_constructible_v<Key> && std::is_copy_constructible_v<Value>);

  /// Changes the bound, > 0, now: evicts what is over it. The number of shards stays, and each
  /// keeps at least one entry.
  void resize(std::size_t max_entries);

  /// Changes the bound on weight, > 0, now. REQUIRES a weigher (UsageError).
  void resize_weight(std::uint64_t max_weight);

  /// Removes what has expired, all of it. Not needed for correctness: look-ups never return it, and
  /// stores remove some on their way.
  void cleanup();

  /// Entries, expired ones included until they are removed.
  std::size_t size() const noexcept;

  MemoryStats stats() const noexcept;

  // --- For the engine: the same with the hash at hand, and with times ---

  /// Looks for an entry that lives. REQUIRES: `hit` is empty.
  /// `use`: count the look-up and tell the policy.
  template <class View>
  DCACHE_HOT void find(const View& key, std::uint64_t hash, Hit& hit, bool use = true) {
    Shard& shard = this->shard(hash);
    shard.find(key, hash, hit.found_);
    if (use && hit) shard.touch(hit.found_.look.place());
    if (hit && hit.found_.terms.dies != engine::no_moment) {
      hit.now_ = now();
      if (hit.now_ >= hit.found_.terms.dies) [[unlikely]] {
        hit.found_.look.reset();
        drop_expired(key, hash, hit.now_);
      }
    }
    if (!use) return;
    if (!hit) return note_miss(hash);
    note_hit(shard, hash, hit.found_.look.place(), hit.now_);
  }

  /// One more hit on what `find` found in `slot`, for who remembers it. REQUIRES: the entry has not
  /// left since. `now` only matters with an idle time.
  DCACHE_HOT void hit_again(std::uint64_t hash, engine::Slot slot, engine::Moment now) noexcept {
    Shard& shard = this->shard(hash);
    const engine::Place place = shard.place(slot);
    shard.touch(place);
    note_hit(shard, hash, place, now);
  }

  /// Stores with terms, unless `*detached` is set. `Source`: a key to move from, or to copy.
  /// `absent`: the table is guarded, and its caller knows that it has no such entry.
  template <class Source>
  DCACHE_HOT engine::Stored store(Source&& key, Value&& value, std::uint64_t hash,
                                  const engine::Terms& terms, const std::atomic<bool>* detached,
                                  bool absent = false);

  template <class View>
  bool erase(const View& key, std::uint64_t hash) {
    return shard(hash).remove(key, hash, Cause::erased);
  }

  template <class View>
  void set_review(const View& key, std::uint64_t hash, engine::Moment review) {
    shard(hash).set_review(key, hash, review);
  }

  /// Calls `visit(key, value)` for every entry, expired or not, with the lock of its shard held:
  /// it must be short, run no code of the user's and not throw. For collectors of garbage.
  template <class Visit>
  void for_each(Visit&& visit) {
    for (auto& shard : shards_) shard->for_each(visit);
  }

  /// The table's clock in milliseconds. Every deadline is told by it.
  engine::Moment now() const noexcept {
    if (clock_ == nullptr) [[likely]]
      return coarse_milliseconds();
    return static_cast<engine::Moment>(clock_->now() / std::chrono::milliseconds(1));
  }

  /// `span` after now, rounded up to a millisecond.
  engine::Moment after(Duration span) const noexcept;

 private:
  enum Counter : std::uint8_t { hits, misses, counters };

  // By the highest bits, of which there are six for up to 64 shards.
  Shard& shard(std::uint64_t hash) noexcept { return *shards_[hash >> 58U & shard_mask_]; }
  DCACHE_HOT void note_hit(Shard& shard, std::uint64_t hash, engine::Place place,
                           engine::Moment now) noexcept {
    counts_.count(hits);
    shard.touch_rest(place, now);
    if (rules_.monitor.sampled(hash)) [[unlikely]]
      rules_.monitor.note(hash);
  }
  void build(const Options& options);
  template <class Source>
  bool put_as(Source&& key, Value&& value, const PutOptions& options);
  template <class Source>
  DCACHE_HOT engine::Stored store_lent(Source&& key, Value& value, std::uint64_t hash,
                                       const engine::Terms& terms,
                                       const std::atomic<bool>* detached, bool absent);
  template <class Source>
  [[gnu::noinline]] engine::Stored store_owned(Source&& key, Value value, std::uint64_t hash,
                                               const engine::Terms& terms,
                                               const std::atomic<bool>* detached, bool absent);
  DCACHE_HOT void note_miss(std::uint64_t hash) noexcept {
    counts_.count(misses);
    if (rules_.monitor.sampled(hash)) [[unlikely]]
      learn(hash);
  }
  [[gnu::noinline]] void learn(std::uint64_t hash) noexcept;
  template <class View>
  [[gnu::noinline]] void drop_expired(const View& key, std::uint64_t hash, engine::Moment now) {
    shard(hash).remove(key, hash, Cause::expired, now);
  }
  engine::Stored store_weighed(typename Shard::KeyHeld& key, engine::Offered<Value>& value,
                               engine::Arrival arrival, std::uint64_t weight,
                               const std::atomic<bool>* detached);
  bool make_room(std::uint64_t weight, std::uint64_t replaced, std::size_t first);
  void recount();
  void recount(std::size_t at, std::uint64_t sum) noexcept;
  bool overweight() const noexcept {
    return rules_.weight_used.load(std::memory_order_relaxed) >
           max_weight_.load(std::memory_order_relaxed);
  }

  const Clock* clock_;
  std::optional<Duration> ttl_;
  std::optional<Duration> idle_;
  std::function<std::uint64_t(const Key&, const Value&)> weigher_;
  std::atomic<std::uint64_t> max_weight_;
  std::atomic<std::uint64_t> rejected_{0};
  engine::ShardRules<Key, Value> rules_;
  std::size_t shard_mask_ = 0;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::atomic<std::uint32_t> generation_{engine::fork_generation()};
  engine::Lock recounting_;
  engine::Stripes<counters> counts_;
};

}  // namespace dcache

#include "dcache/engine/memory_impl.hpp"
