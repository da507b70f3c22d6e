// SPDX-License-Identifier: MIT
// Bytes as operations on a table, checked against a model that forgets nothing.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include "dcache/memory.hpp"

namespace dcache::testing {

using Bytes = std::vector<std::uint8_t>;

inline Bytes random_bytes(std::uint64_t seed, std::size_t size) {
  std::mt19937_64 random(seed);
  Bytes bytes(size);
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
  return bytes;
}

/// Plays bytes on a table of numbers, as `Key`s and as `Value`s. What it finds wrong, or nothing.
template <class Key, class Value = Key>
class MemoryGame {
 public:
  explicit MemoryGame(const Bytes& bytes) : bytes_(bytes), table_(options()) {}

  std::optional<std::string> play() {
    while (at_ < bytes_.size() && !wrong_) step();
    if (!wrong_) check_whole();
    return wrong_;
  }

 private:
  using Table = Memory<Key, Value>;
  struct Life {
    std::uint64_t value;
    Duration dies;
  };

  template <class T>
  static T make(std::uint64_t number) {
    if constexpr (std::is_same_v<T, std::string>) {
      return std::to_string(number);
    } else {
      return number;
    }
  }
  static std::uint64_t weight_of(std::uint64_t value) { return value % 7; }

  std::uint8_t byte() { return at_ < bytes_.size() ? bytes_[at_++] : std::uint8_t{0}; }
  Duration span() { return Duration(std::uint64_t{1} << byte() % 54); }  // 1 ns to 104 days

  typename Table::Options options() {
    typename Table::Options options{.max_entries = most_ = 1U + byte() % 100U};
    const unsigned kind = byte();
    if (kind & 1U) options.policy = Policy::lru;
    if (kind & 2U) options.ttl = ttl_ = std::max(span(), Duration(1));
    if (kind & 4U) {
      weighed_ = true;
      options.max_weight = heaviest_ = 7U + byte();
      options.weigher = [](const Key&, const Value& value) {
        if constexpr (std::is_same_v<Value, std::string>) {
          return weight_of(std::stoull(value));
        } else {
          return weight_of(value);
        }
      };
    }
    if (kind & 8U) {
      options.on_removal = [this](const Key& key, const Value&, Cause) {
        if (last_.empty()) fail("a removal of what was never put: " + text(key));
      };
    }
    if (kind & 16U) options.shards = 1 + byte() % 8;
    options.clock = &clock_;
    return options;
  }

  static std::string text(const Key& key) {
    if constexpr (std::is_same_v<Key, std::string>) {
      return key;
    } else {
      return std::to_string(key);
    }
  }

  void fail(std::string what) {
    if (!wrong_) wrong_ = std::move(what) + " at byte " + std::to_string(at_);
  }

  bool lives(const Life& life) const {
    return clock_.now() / std::chrono::milliseconds(1) * std::chrono::milliseconds(1) < life.dies;
  }

  void step() {
    const unsigned verb = byte() % 16;
    const std::uint64_t key = byte();
    if (verb < 6) return get(key);
    if (verb < 12) return put(key, byte(), verb == 11 ? std::optional(span()) : std::nullopt);
    if (verb == 12) {
      table_.erase(make<Key>(key));
      last_.erase(key);
      if (table_.get(make<Key>(key))) fail("erased and yet there");
    } else if (verb == 13) {
      clock_.advance(span());
    } else if (verb == 14) {
      resize(key);
    } else if (key < 20) {
      table_.clear();
      last_.clear();
      if (table_.size() != 0) fail("cleared and not empty");
    } else {
      table_.cleanup();
      check_whole();
    }
    check_bounds();
  }

  void get(std::uint64_t key) {
    const auto value = table_.get(make<Key>(key));
    if (!value) return;
    const auto life = last_.find(key);
    if (life == last_.end()) return fail("a value that was erased");
    if (*value != make<Value>(life->second.value)) return fail("not the last value");
    if (!lives(life->second)) fail("a value that has expired");
  }

  void put(std::uint64_t key, std::uint64_t value, std::optional<Duration> ttl) {
    last_[key] = {value, Duration::max()};
    if (const auto& span = ttl ? ttl : ttl_) {
      last_[key].dies = std::chrono::ceil<std::chrono::milliseconds>(clock_.now() + *span);
    }
    const bool fits = !weighed_ || weight_of(value) <= heaviest_;
    if (table_.put(make<Key>(key), make<Value>(value), {.ttl = ttl}) != fits)
      fail("kept what does not fit");
    if (!fits) last_.erase(key);
    check_bounds();
  }

  void resize(std::uint64_t to) {
    if (weighed_ && to % 2 == 0) {
      table_.resize_weight(heaviest_ = 1 + to);
    } else {
      table_.resize(1 + to % 100);
      most_ = std::max<std::size_t>(1 + to % 100, 8);  // One for each shard.
    }
  }

  void check_bounds() {
    if (table_.size() > most_) fail("more entries than allowed");
    if (table_.stats().weight > (weighed_ ? heaviest_ : 0)) fail("heavier than allowed");
  }

  // Everything that is there is what was put, and the counters add up.
  void check_whole() {
    std::uint64_t weight = 0;
    for (const auto& [key, value] : table_.snapshot()) {
      const std::uint64_t number = std::stoull(text(key));
      const auto life = last_.find(number);
      if (life == last_.end() || value != make<Value>(life->second.value))
        return fail("a stray entry");
      if (!lives(life->second)) return fail("an expired entry in a snapshot");
      if (table_.get(key) != value) return fail("an entry in a snapshot that get does not find");
      weight += weighed_ ? weight_of(life->second.value) : 0;
    }
    const MemoryStats stats = table_.stats();
    if (stats.weight < weight) fail("weights do not add up");
    if (stats.inserted - stats.evicted - stats.erased - stats.expired < stats.entries) {
      fail("counters do not add up");
    }
  }

  const Bytes& bytes_;
  std::size_t at_ = 0;
  std::size_t most_ = 0;
  std::uint64_t heaviest_ = 0;
  bool weighed_ = false;
  std::optional<Duration> ttl_;
  std::optional<std::string> wrong_;
  ManualClock clock_;
  std::unordered_map<std::uint64_t, Life> last_;
  Table table_;
};

}  // namespace dcache::testing
