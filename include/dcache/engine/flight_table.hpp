// SPDX-License-Identifier: MIT
/// The flights of one function, by 64-bit hash. Knows no key and runs no user code: which of the
/// flights with one hash is meant, `Flights` finds out with no lock held.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "dcache/engine/flight.hpp"
#include "dcache/engine/lock.hpp"
#include "dcache/engine/ref.hpp"

namespace dcache::engine {

/// Thread-safe. In a forked child it is empty, whatever the parent was doing with it. Holds no
/// memory until the first flight.
class FlightTable {
 public:
  using Flights = std::span<const Ref<Flight>>;

  FlightTable() = default;
  FlightTable(const FlightTable&) = delete;
  FlightTable& operator=(const FlightTable&) = delete;
  ~FlightTable();

  /// A flight with this hash that is none of `others`, or null.
  Ref<Flight> find(std::uint64_t hash, Flights others);
  /// Adds `fresh` unless `find` would find one: then that one, and nothing has changed.
  /// Throws std::bad_alloc.
  Ref<Flight> add(const Ref<Flight>& fresh, Flights others);

  /// Takes a flight out; false: it was not there.
  bool remove(Flight& flight) noexcept;
  /// Takes it out and marks it: it is stored nowhere.
  bool detach(Flight& flight) noexcept;
  void detach_hash(std::uint64_t hash) noexcept;
  void detach_all() noexcept;

  std::size_t size() noexcept;

  /// Whether `flight` is in a table and may be joined.
  static bool joinable(const Flight& flight) noexcept {
    return flight.attached() && !flight.detached();
  }

 private:
  using Buckets = std::unique_ptr<Flight*[]>;

  struct alignas(64) Shard {
    Lock lock;
    std::uint32_t generation = fork_generation();
    std::size_t size = 0;
    std::size_t capacity = 0;  // A power of two, or nothing yet.
    Buckets buckets;
  };
  class Passage;

  static constexpr std::size_t shards_count = 8;
  static constexpr std::size_t capacity_first = 8;

  Shard& shard_of(std::uint64_t hash) noexcept { return shards_[hash >> 61]; }
  static Flight* search(Shard& shard, std::uint64_t hash, Flights others) noexcept;
  static void link(Shard& shard, Flight& flight) noexcept;
  static bool unlink(Shard& shard, Flight& flight) noexcept;
  static Flight* detach_shard(Shard& shard) noexcept;
  static void widen(Shard& shard, std::size_t seen);

  std::array<Shard, shards_count> shards_;
};

}  // namespace dcache::engine
