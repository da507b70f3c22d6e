// SPDX-License-Identifier: MIT
// Traces made by seed, and what a cache makes of them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <list>
#include <random>
#include <unordered_map>
#include <vector>

namespace dcache::testing {

using Trace = std::vector<std::uint64_t>;

/// Draws 0 to `count` - 1; the most popular is 0.
class Zipf {
 public:
  Zipf(std::size_t count, double exponent) : sums_(count) {
    double sum = 0;
    for (std::size_t i = 0; i < count; ++i) {
      sums_[i] = sum += std::pow(static_cast<double>(i + 1), -exponent);
    }
  }

  template <class Random>
  std::uint64_t operator()(Random& random) const {
    const double at = std::uniform_real_distribution<>(0, sums_.back())(random);
    return static_cast<std::uint64_t>(std::lower_bound(sums_.begin(), sums_.end(), at) -
                                      sums_.begin());
  }

 private:
  std::vector<double> sums_;
};

inline Trace zipf_trace(std::size_t length, std::size_t keys, double exponent, unsigned seed) {
  std::mt19937_64 random(seed);
  const Zipf zipf(keys, exponent);
  Trace trace(length);
  for (auto& key : trace) key = zipf(random);
  return trace;
}

/// 0, 1, ... `keys` - 1, 0, 1, ...
inline Trace loop_trace(std::size_t length, std::size_t keys) {
  Trace trace(length);
  for (std::size_t i = 0; i < length; ++i) trace[i] = i % keys;
  return trace;
}

/// The reference: the textbook's list and map. A hit and a store make an entry the newest.
class ReferenceLru {
 public:
  explicit ReferenceLru(std::size_t capacity) : capacity_(capacity) {}

  bool get(std::uint64_t key) {
    const auto found = places_.find(key);
    if (found == places_.end()) return false;
    order_.splice(order_.begin(), order_, found->second);
    return true;
  }

  void put(std::uint64_t key) {
    if (get(key)) return;
    order_.push_front(key);
    places_[key] = order_.begin();
    resize(capacity_);
  }

  bool erase(std::uint64_t key) {
    const auto found = places_.find(key);
    if (found == places_.end()) return false;
    order_.erase(found->second);
    places_.erase(found);
    return true;
  }

  void resize(std::size_t capacity) {
    capacity_ = capacity;
    while (order_.size() > capacity_) {
      places_.erase(order_.back());
      order_.pop_back();
    }
  }

  /// Newest first.
  Trace order() const { return {order_.begin(), order_.end()}; }

 private:
  std::size_t capacity_;
  std::list<std::uint64_t> order_;
  std::unordered_map<std::uint64_t, std::list<std::uint64_t>::iterator> places_;
};

/// Plays `trace[begin, end)`: what is not there is put. The hits among them.
template <class Table>
std::size_t play(Table& table, const Trace& trace, std::size_t begin, std::size_t end) {
  std::size_t hits = 0;
  for (std::size_t i = begin; i < end; ++i) {
    if (table.get(trace[i])) {
      ++hits;
    } else {
      table.put(trace[i], trace[i]);
    }
  }
  return hits;
}

/// The share of hits, 0 to 1.
template <class Table>
double hit_ratio(Table& table, const Trace& trace) {
  return static_cast<double>(play(table, trace, 0, trace.size())) /
         static_cast<double>(trace.size());
}

inline double lru_ratio(std::size_t capacity, const Trace& trace) {
  ReferenceLru lru(capacity);
  std::size_t hits = 0;
  for (const auto key : trace) {
    hits += lru.get(key) ? 1 : 0;
    lru.put(key);
  }
  return static_cast<double>(hits) / static_cast<double>(trace.size());
}

}  // namespace dcache::testing
