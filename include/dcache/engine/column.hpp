// SPDX-License-Identifier: MIT
/// One property of the entries of a shard, as an array that grows by chunks and never moves.
///
/// Structure of arrays: a property that no entry has costs nothing. Reading is lock-free. Growing
/// needs the shard's lock. Memory is given back only by the destructor, so a reader that lost a
/// race looks at a stale element, never at freed memory.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "dcache/engine/hot.hpp"

namespace dcache::engine {

/// The number of an entry's place in its shard.
using Slot = std::uint32_t;
inline constexpr Slot no_slot = ~Slot{0};

/// Where to find what belongs to a slot: in which chunk of every column. A hit asks three.
struct Place {
  Slot slot = no_slot;
  Slot chunk = 0;
};

/// Chunks of 2^n slots. A bounded shard has 16 to 32 of them: at most a sixteenth is waste.
inline unsigned chunk_shift(std::size_t slots_max) noexcept {
  constexpr std::size_t smallest = 64;
  constexpr std::size_t largest = 8192;
  return static_cast<unsigned>(std::bit_width(std::clamp(slots_max / 16, smallest, largest)) - 1);
}

/// REQUIRES: T is default-constructible without throwing.
template <class T>
class Column {
 public:
  /// Chunks of 2^shift elements, shift <= 16.
  explicit Column(unsigned shift) noexcept : shift_(static_cast<std::uint8_t>(shift)) {}

  /// The element of a slot. REQUIRES: slot < size(), as seen by whoever handed out the slot.
  DCACHE_HOT T& operator[](Slot slot) const noexcept {
    return element(directory_.load(std::memory_order_acquire)[slot >> shift_], slot);
  }

  /// The same in two steps, of which the first does for all columns of a shard.
  Place place(Slot slot) const noexcept { return {slot, slot >> shift_}; }
  DCACHE_HOT T& at(Place place) const noexcept {
    return element(directory_.load(std::memory_order_acquire)[place.chunk], place.slot);
  }

  /// The same for the holder of the shard's lock, who may keep addresses in registers.
  T& held(Slot slot) const noexcept { return element(held_[slot >> shift_], slot); }

  /// How many slots there is memory for. REQUIRES: the shard's lock.
  std::size_t size() const noexcept { return std::size_t{chunks_} << shift_; }

  /// False until the first `cover`: the property is off and costs nothing.
  bool exists() const noexcept { return directory_.load(std::memory_order_acquire) != nullptr; }

  /// Makes memory for at least `slots` slots. Throws std::bad_alloc and changes nothing then.
  /// REQUIRES: the shard's lock.
  void cover(std::size_t slots) {
    if (slots > size()) grow(slots);
  }

 private:
  // Where slot 0 would be if a chunk reached down to it: a hit need not know how large a chunk is.
  using Origin = std::uintptr_t;

  Origin origin_of(const T* chunk, std::size_t at) const noexcept {
    return reinterpret_cast<Origin>(chunk) - (at << shift_) * sizeof(T);
  }
  DCACHE_HOT static T& element(Origin origin, Slot slot) noexcept {
    return *reinterpret_cast<T*>(origin + slot * sizeof(T));
  }

  struct Owned {
    std::vector<std::unique_ptr<T[]>> chunks;
    std::vector<std::unique_ptr<Origin[]>> directories;
    std::size_t directory_size = 0;
  };

  void grow(std::size_t slots) {
    if (!owned_) owned_ = std::make_unique<Owned>();
    const std::size_t chunk_size = std::size_t{1} << shift_;
    const std::size_t wanted = (slots + chunk_size - 1) >> shift_;
    auto& chunks = owned_->chunks;
    chunks.reserve(wanted);
    owned_->directories.reserve(owned_->directories.size() + 1);
    std::unique_ptr<Origin[]> grown;
    const std::size_t room = std::max(wanted, 2 * wanted - 2);
    if (wanted > owned_->directory_size) grown = std::make_unique<Origin[]>(room);
    std::vector<std::unique_ptr<T[]>> added(wanted - chunks.size());
    for (auto& chunk : added) chunk = std::make_unique<T[]>(chunk_size);
    for (auto& chunk : added) chunks.push_back(std::move(chunk));
    if (grown) owned_->directory_size = room;
    publish(std::move(grown));
  }

  // Readers may still hold the old directory: it stays. All directories together take less than
  // twice the last one. A directory is published with every chunk in its place. A chunk that is
  // added to a published one is a plain store: readers have its slots from the index, where they
  // are released after this.
  void publish(std::unique_ptr<Origin[]> grown) noexcept {
    const auto& chunks = owned_->chunks;
    Origin* const directory = grown ? grown.get() : held_;
    for (std::size_t i = 0; i < chunks.size(); ++i) {
      const Origin origin = origin_of(chunks[i].get(), i);
      if (directory[i] != origin) directory[i] = origin;
    }
    chunks_ = static_cast<std::uint32_t>(chunks.size());
    if (!grown) return;
    held_ = directory;
    owned_->directories.push_back(std::move(grown));
    directory_.store(directory, std::memory_order_release);
  }

  // Half a cache line with all that is read: a hit reads up to three columns.
  std::atomic<Origin*> directory_{nullptr};
  const std::uint8_t shift_;
  std::uint32_t chunks_ = 0;
  Origin* held_ = nullptr;
  std::unique_ptr<Owned> owned_;
};

}  // namespace dcache::engine
