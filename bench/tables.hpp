// SPDX-License-Identifier: MIT
/// One face for dcache and its rivals: `get(key, use)` says whether there was a value and shows it
/// to `use(value)`, `put(key, value)` stores, both bounded by the number of entries given at the
/// start. What is shown must stay valid while others evict, and each gives that in the fastest way
/// its interface offers: by a handle, or by a copy.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <list>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#define TBB_PREVIEW_CONCURRENT_LRU_CACHE 1
#include <absl/container/flat_hash_map.h>
#include <boost/unordered/concurrent_flat_map.hpp>
#include <rocksdb/cache.h>
#include <tbb/concurrent_lru_cache.h>

#include "dcache/memory.hpp"

#include "workload.hpp"

namespace dcache::bench {

template <class Key, class Value>
class Dcache {
 public:
  static constexpr const char* name = "dcache";
  static constexpr bool threaded = true;

  explicit Dcache(std::size_t entries)
      : Dcache(MemoryOptions<Key, Value>{.max_entries = entries}) {}
  explicit Dcache(MemoryOptions<Key, Value> options) : table_(std::move(options)) {}

  template <class Use>
  bool get(const Key& key, Use&& use) {
    const auto found = table_.find(key);
    if (!found) return false;
    use(found.value());
    return true;
  }
  void put(const Key& key, Value value) { table_.put(key, std::move(value)); }
  void clear() { table_.clear(); }

 protected:
  Memory<Key, Value> table_;
};

/// The same for who wants to keep what was found.
template <class Key, class Value>
class DcacheCopied : public Dcache<Key, Value> {
 public:
  static constexpr const char* name = "dcache, copied out";

  using Dcache<Key, Value>::Dcache;

  template <class Use>
  bool get(const Key& key, Use&& use) {
    const auto found = this->table_.get(key);
    if (!found) return false;
    use(*found);
    return true;
  }
};

template <class Key, class Value>
class DcacheTtl : public Dcache<Key, Value> {
 public:
  static constexpr const char* name = "dcache, ttl on";

  explicit DcacheTtl(std::size_t entries)
      : Dcache<Key, Value>({.max_entries = entries, .ttl = std::chrono::hours(1)}) {}
};

/// A table that another thread has used before: what one thread alone uses takes fewer atomic
/// steps.
template <class Key, class Value>
class DcacheOfSeveral : public Dcache<Key, Value> {
 public:
  static constexpr const char* name = "dcache, used by another thread before";
  static constexpr bool threaded = false;

  explicit DcacheOfSeveral(std::size_t entries) : Dcache<Key, Value>(entries) {
    std::thread([this] { this->clear(); }).join();
  }
};

/// The floor: a hash table with nothing around it. What is bounded is so by a ring, first in,
/// first out.
template <class Key, class Value>
class Absl {
 public:
  static constexpr const char* name = "absl::flat_hash_map, FIFO ring, no lock";
  static constexpr bool threaded = false;

  explicit Absl(std::size_t entries) : ring_(entries) { map_.reserve(entries); }

  template <class Use>
  bool get(const Key& key, Use&& use) {
    const auto found = map_.find(key);
    if (found == map_.end()) return false;
    use(Value(found->second));
    return true;
  }
  void put(const Key& key, Value value) {
    Key& oldest = ring_[at_];
    if (map_.size() == ring_.size()) map_.erase(oldest);
    map_.emplace(key, std::move(value));
    oldest = key;
    if (++at_ == ring_.size()) at_ = 0;
  }

 private:
  absl::flat_hash_map<Key, Value> map_;
  std::vector<Key> ring_;
  std::size_t at_ = 0;
};

/// Never evicts: for hits only.
template <class Key, class Value>
class BoostMap {
 public:
  static constexpr const char* name = "boost::concurrent_flat_map, no eviction";
  static constexpr bool threaded = true;

  explicit BoostMap(std::size_t entries) { map_.reserve(entries); }

  template <class Use>
  bool get(const Key& key, Use&& use) {
    Value value{};
    if (map_.cvisit(key, [&value](const auto& entry) { value = entry.second; }) == 0) return false;
    use(value);
    return true;
  }
  void put(const Key& key, Value value) { map_.emplace(key, std::move(value)); }

 private:
  boost::concurrent_flat_map<Key, Value> map_;
};

/// The textbook: a list in order of use, a map into it, a mutex around both.
template <class Key, class Value>
class ListLru {
 public:
  static constexpr const char* name = "std::list + unordered_map LRU, mutex";
  static constexpr bool threaded = true;

  explicit ListLru(std::size_t entries) : entries_(entries) { map_.reserve(entries); }

  template <class Use>
  bool get(const Key& key, Use&& use) {
    Value value{};
    if (!copy(key, value)) return false;
    use(value);
    return true;
  }
  void put(const Key& key, Value value) {
    const std::scoped_lock lock(mutex_);
    if (replace(key, value)) return;
    if (map_.size() == entries_) {
      map_.erase(order_.back().first);
      order_.pop_back();
    }
    add(key, std::move(value));
  }

 protected:
  using Order = std::list<std::pair<Key, Value>>;

  bool copy(const Key& key, Value& value) {
    const std::scoped_lock lock(mutex_);
    const auto found = map_.find(key);
    if (found == map_.end()) return false;
    order_.splice(order_.begin(), order_, found->second);
    value = found->second->second;
    return true;
  }
  bool replace(const Key& key, Value& value) {
    const auto found = map_.find(key);
    if (found == map_.end()) return false;
    found->second->second = std::move(value);
    return true;
  }
  void add(const Key& key, Value value) {
    order_.emplace_front(key, std::move(value));
    map_.emplace(key, order_.begin());
  }

  std::mutex mutex_;
  Order order_;
  std::unordered_map<Key, typename Order::iterator> map_;
  std::size_t entries_;
};

/// The same by somebody who has measured it: what leaves gives its nodes to what comes.
template <class Key, class Value>
class ReusingListLru : public ListLru<Key, Value> {
 public:
  static constexpr const char* name = "the same, reusing its nodes";

  using ListLru<Key, Value>::ListLru;

  void put(const Key& key, Value value) {
    const std::scoped_lock lock(this->mutex_);
    if (this->replace(key, value)) return;
    if (this->map_.size() < this->entries_) return this->add(key, std::move(value));
    auto& order = this->order_;
    auto node = this->map_.extract(order.back().first);
    order.splice(order.begin(), order, std::prev(order.end()));
    order.front() = {key, std::move(value)};
    node.key() = key;
    node.mapped() = order.begin();
    this->map_.insert(std::move(node));
  }
};

/// Computes a missing value itself: a look-up is a hit or a miss with its insert, and never fails.
template <class Key, class Value>
class TbbLru {
 public:
  static constexpr const char* name = "tbb::concurrent_lru_cache";
  static constexpr bool threaded = true;

  explicit TbbLru(std::size_t entries) : cache_(&compute, entries) {}

  template <class Use>
  bool get(const Key& key, Use&& use) {
    auto handle = cache_[key];
    use(handle.value());
    return true;
  }
  void put(const Key& key, const Value&) { cache_[key]; }

 private:
  static Value compute(Key) { return make_value<Value>(1); }

  tbb::concurrent_lru_cache<Key, Value, Value (*)(Key)> cache_;
};

/// Takes 16 bytes as a key and a pointer as a value; a number travels in the pointer itself.
template <class Key, class Value>
class HyperClock {
 public:
  static constexpr const char* name = "RocksDB HyperClockCache";
  static constexpr bool threaded = true;

  explicit HyperClock(std::size_t entries) {
    rocksdb::HyperClockCacheOptions options(entries, 1);
    options.num_shard_bits = 4;
    options.metadata_charge_policy = rocksdb::kDontChargeCacheMetadata;
    cache_ = options.MakeSharedCache();
  }

  template <class Use>
  bool get(const Key& key, Use&& use) {
    auto* handle = cache_->Lookup(Bytes(key).slice());
    if (handle == nullptr) return false;
    void* const found = cache_->Value(handle);
    if constexpr (inlined) {
      use(static_cast<Value>(reinterpret_cast<std::uintptr_t>(found)));
    } else {
      use(*static_cast<const Value*>(found));
    }
    cache_->Release(handle);
    return true;
  }

  void put(const Key& key, Value value) {
    void* kept = nullptr;
    if constexpr (inlined) {
      kept = reinterpret_cast<void*>(static_cast<std::uintptr_t>(value));
    } else {
      kept = new Value(std::move(value));
    }
    const auto status = cache_->Insert(Bytes(key).slice(), kept, 1, &forget);
    if (!status.ok()) throw std::runtime_error(status.ToString());
  }

 private:
  static constexpr bool inlined = std::is_same_v<Value, Number>;

  class Bytes {
   public:
    explicit Bytes(Number key) : own_{key, key}, slice_(reinterpret_cast<char*>(&own_), 16) {}
    explicit Bytes(const std::string& key) : slice_(key) {}
    Bytes(const Bytes&) = delete;
    Bytes& operator=(const Bytes&) = delete;
    const rocksdb::Slice& slice() const { return slice_; }

   private:
    // Stored in one piece: reading 16 bytes right after two stores of 8 would stall.
    using Words = Number __attribute__((vector_size(16)));
    Words own_{};
    rocksdb::Slice slice_;
  };

  static void forget(const rocksdb::Slice&, void* kept) {
    if constexpr (!inlined) delete static_cast<Value*>(kept);
  }

  std::shared_ptr<rocksdb::Cache> cache_;
};

}  // namespace dcache::bench
