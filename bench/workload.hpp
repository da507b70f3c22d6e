// SPDX-License-Identifier: MIT
/// Keys, values and the order in which they are asked for. Everything is seeded and the same for
/// every table; keys exist before the time is taken.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

namespace dcache::bench {

constexpr unsigned threads_max = 2;

/// A bijection that scatters small numbers over 64 bits (splitmix64; Steele, Lea and Flood 2014).
inline std::uint64_t scatter(std::uint64_t number) {
  number += 0x9E3779B97F4A7C15U;
  number = (number ^ number >> 30U) * 0xBF58476D1CE4E5B9U;
  number = (number ^ number >> 27U) * 0x94D049BB133111EBU;
  return number ^ number >> 31U;
}

inline void set_key(std::uint64_t& key, std::uint64_t number) { key = scatter(number); }

/// 16 characters: one more than fits into a std::string without a block of its own.
inline void set_key(std::string& key, std::uint64_t number) {
  std::uint64_t bits = scatter(number);
  key.resize(16);
  for (char& digit : key) {
    digit = "0123456789abcdef"[bits & 15U];
    bits >>= 4U;
  }
}

template <class Key>
Key key_of(std::uint64_t number) {
  Key key{};
  set_key(key, number);
  return key;
}

using Number = std::uint64_t;
using Shared = std::shared_ptr<const std::uint64_t>;

template <class Value>
Value make_value(std::uint64_t number) {
  if constexpr (std::is_same_v<Value, Shared>) {
    return std::make_shared<const std::uint64_t>(number);
  } else {
    return number;
  }
}
inline std::uint64_t read(Number value) { return value; }
inline std::uint64_t read(const Shared& value) { return *value; }

/// `count` ranks below `keys`; rank r is asked for in proportion to 1 / (r + 1)^0.99.
inline std::vector<std::uint32_t> zipf(std::size_t keys, std::size_t count) {
  std::vector<double> below(keys);
  double sum = 0;
  for (std::size_t rank = 0; rank < keys; ++rank) {
    sum += std::pow(static_cast<double>(rank + 1), -0.99);
    below[rank] = sum;
  }
  std::mt19937_64 random(20031103);
  std::uniform_real_distribution<double> point(0, sum);
  std::vector<std::uint32_t> ranks(count);
  for (auto& rank : ranks) {
    const auto found = std::upper_bound(below.begin(), below.end() - 1, point(random));
    rank = static_cast<std::uint32_t>(found - below.begin());
  }
  return ranks;
}

/// Where each thread is in a stream, on cache lines of their own.
struct alignas(64) Place {
  std::size_t at = 0;
};
using Places = std::array<Place, threads_max>;

/// The keys of zipf-distributed requests, laid out in the order in which they are asked for.
template <class Key>
class Stream {
 public:
  Stream(std::size_t keys, std::size_t requests) {
    requests_.reserve(requests);
    for (const auto rank : zipf(keys, requests)) requests_.push_back(key_of<Key>(rank));
  }

  std::size_t size() const { return requests_.size(); }

  /// The threads begin far from each other.
  Places begin() const {
    Places places;
    for (std::size_t i = 0; i < places.size(); ++i) places[i].at = size() / places.size() * i;
    return places;
  }

  /// The next requests from a place on; round and round.
  template <class Use>
  void next(Place& place, std::size_t operations, Use&& use) const {
    std::size_t at = place.at;
    for (; operations > 0; --operations) {
      use(requests_[at]);
      if (++at == requests_.size()) at = 0;
    }
    place.at = at;
  }

 private:
  std::vector<Key> requests_;
};

/// Keys that were never asked for before: made ahead of the time that is taken.
template <class Key>
class FreshStream {
 public:
  void prepare(unsigned thread, std::size_t operations) {
    Own& own = own_[thread];
    own.keys.resize(std::max(own.keys.size(), operations));
    for (std::size_t i = 0; i < operations; ++i) {
      set_key(own.keys[i], (std::uint64_t{thread} + 1) << 48U | own.made++);
    }
    own.at = 0;
  }

  template <class Use>
  void next(unsigned thread, std::size_t operations, Use&& use) {
    Own& own = own_[thread];
    for (; operations > 0; --operations) use(own.keys[own.at++]);
  }

 private:
  struct alignas(64) Own {
    std::vector<Key> keys;
    std::size_t at = 0;
    std::uint64_t made = 0;
  };
  std::array<Own, threads_max> own_;
};

}  // namespace dcache::bench
