// SPDX-License-Identifier: MIT
#include "dcache/engine/flight_table.hpp"

#include <algorithm>
#include <mutex>
#include <utility>

namespace dcache::engine {

// Holds the lock of a shard. In a forked child the chains may be caught in the middle of a change,
// so they are given up unread, and what they held with them.
class FlightTable::Passage {
 public:
  explicit Passage(Shard& shard) noexcept : held_(shard.lock) {
    if (shard.generation == fork_generation()) return;
    static_cast<void>(shard.buckets.release());
    shard.size = shard.capacity = 0;
    shard.generation = fork_generation();
  }

 private:
  const std::scoped_lock<Lock> held_;
};

FlightTable::~FlightTable() { detach_all(); }

Ref<Flight> FlightTable::find(std::uint64_t hash, Flights others) {
  Shard& shard = shard_of(hash);
  const Passage passage(shard);
  return Ref<Flight>(search(shard, hash, others));
}

Ref<Flight> FlightTable::add(const Ref<Flight>& fresh, Flights others) {
  Shard& shard = shard_of(fresh->hash());
  for (;;) {
    std::size_t capacity = 0;
    {
      const Passage passage(shard);
      if (Flight* const other = search(shard, fresh->hash(), others)) return Ref<Flight>(other);
      capacity = shard.capacity;
      if (shard.size < capacity) {
        link(shard, *fresh);
        return {};
      }
    }
    widen(shard, capacity);
  }
}

bool FlightTable::remove(Flight& flight) noexcept {
  Ref<Flight> last;  // Dropped outside the lock: it may run user destructors.
  Shard& shard = shard_of(flight.hash());
  const Passage passage(shard);
  if (!unlink(shard, flight)) return false;
  last = Ref<Flight>::adopt(&flight);
  return true;
}

bool FlightTable::detach(Flight& flight) noexcept {
  Ref<Flight> last;
  Shard& shard = shard_of(flight.hash());
  const Passage passage(shard);
  if (!unlink(shard, flight)) return false;
  flight.detached_.store(true, std::memory_order_release);
  last = Ref<Flight>::adopt(&flight);
  return true;
}

void FlightTable::detach_hash(std::uint64_t hash) noexcept {
  while (const Ref<Flight> flight = find(hash, {})) detach(*flight);
}

void FlightTable::detach_all() noexcept {
  for (Shard& shard : shards_) {
    Flight* detached = detach_shard(shard);
    while (detached != nullptr) {
      Flight* const next = std::exchange(detached->chained_, nullptr);
      detached->release();
      detached = next;
    }
  }
}

std::size_t FlightTable::size() noexcept {
  std::size_t sum = 0;
  for (Shard& shard : shards_) {
    const Passage passage(shard);
    sum += shard.size;
  }
  return sum;
}

Flight* FlightTable::search(Shard& shard, std::uint64_t hash, Flights others) noexcept {
  if (shard.capacity == 0) return nullptr;
  Flight* flight = shard.buckets[hash & (shard.capacity - 1)];
  for (; flight != nullptr; flight = flight->chained_) {
    // One that was vacated is detached already, and about to be removed.
    if (flight->hash() != hash || flight->detached()) continue;
    const auto same = [&](const Ref<Flight>& other) { return other.get() == flight; };
    if (std::none_of(others.begin(), others.end(), same)) return flight;
  }
  return nullptr;
}

void FlightTable::link(Shard& shard, Flight& flight) noexcept {
  Flight*& bucket = shard.buckets[flight.hash() & (shard.capacity - 1)];
  flight.chained_ = bucket;
  bucket = &flight;
  flight.retain();
  flight.attached_.store(true, std::memory_order_release);
  ++shard.size;
}

bool FlightTable::unlink(Shard& shard, Flight& flight) noexcept {
  // A flight that a fork left behind is in no chain of this process.
  if (!flight.attached() || flight.left_behind()) return false;
  Flight** place = &shard.buckets[flight.hash() & (shard.capacity - 1)];
  while (*place != &flight) place = &(*place)->chained_;
  *place = std::exchange(flight.chained_, nullptr);
  flight.attached_.store(false, std::memory_order_release);
  --shard.size;
  return true;
}

// The flights that were in the shard, as a chain; the references of the table go with them.
Flight* FlightTable::detach_shard(Shard& shard) noexcept {
  Flight* all = nullptr;
  const Passage passage(shard);
  for (std::size_t i = 0; i < shard.capacity; ++i) {
    while (Flight* const flight = shard.buckets[i]) {
      shard.buckets[i] = flight->chained_;
      flight->chained_ = all;
      flight->detached_.store(true, std::memory_order_release);
      flight->attached_.store(false, std::memory_order_release);
      all = flight;
    }
  }
  shard.size = 0;
  return all;
}

// Doubles the buckets unless somebody else did meanwhile; allocates outside the lock.
void FlightTable::widen(Shard& shard, std::size_t seen) {
  const std::size_t capacity = std::max(capacity_first, 2 * seen);
  auto buckets = std::make_unique<Flight*[]>(capacity);  // Frees the old ones outside, too.
  const Passage passage(shard);
  if (shard.capacity != seen) return;
  for (std::size_t i = 0; i < shard.capacity; ++i) {
    while (Flight* const flight = shard.buckets[i]) {
      shard.buckets[i] = flight->chained_;
      Flight*& bucket = buckets[flight->hash() & (capacity - 1)];
      flight->chained_ = bucket;
      bucket = flight;
    }
  }
  std::swap(shard.buckets, buckets);
  shard.capacity = capacity;
}

}  // namespace dcache::engine
