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
  explicit Column(unsigned shift) noexcept : shift_(shift), mask_((1U << shift) - 1) {}

  /// The element of a slot. REQUIRES: slot < size(), as seen by whoever handed out the slot.
  DCACHE_HOT T& operator[](Slot slot) const noexcept {
    return directory_.load(std::memory_order_acquire)[slot >> shift_][slot & mask_];
  }

  /// The same for the holder of the shard's lock, who may keep addresses in registers.
  T& held(Slot slot) const noexcept { return chunks_[slot >> shift_][slot & mask_]; }

  /// How many slots there is memory for. REQUIRES: the shard's lock.
  std::size_t size() const noexcept { return chunks_.size() << shift_; }

  /// False until the first `cover`: the property is off and costs nothing.
  bool exists() const noexcept { return directory_.load(std::memory_order_acquire) != nullptr; }

  /// Makes memory for at least `slots` slots. Throws std::bad_alloc and changes nothing then.
  /// REQUIRES: the shard's lock.
  void cover(std::size_t slots) {
    if (slots > size()) grow(slots);
  }

 private:
  void grow(std::size_t slots) {
    const std::size_t wanted = (slots + (std::size_t{1} << shift_) - 1) >> shift_;
    chunks_.reserve(wanted);
    directories_.reserve(directories_.size() + 1);
    std::unique_ptr<T*[]> grown;
    if (wanted > directory_size_) grown = std::make_unique<T*[]>(std::max(wanted, 2 * wanted - 2));
    std::vector<std::unique_ptr<T[]>> added(wanted - chunks_.size());
    for (auto& chunk : added) chunk = std::make_unique<T[]>(std::size_t{1} << shift_);
    for (auto& chunk : added) chunks_.push_back(std::move(chunk));
    publish(std::move(grown), wanted);
  }

  // Readers may still hold the old directory: it stays. All directories together take less than
  // twice the last one. A directory is published with every chunk in its place.
  void publish(std::unique_ptr<T*[]> grown, std::size_t wanted) noexcept {
    T** const directory = grown ? grown.get() : directories_.back().get();
    for (std::size_t i = 0; i < wanted; ++i) {
      if (directory[i] != chunks_[i].get()) directory[i] = chunks_[i].get();
    }
    if (!grown) return;
    directory_size_ = std::max(wanted, 2 * wanted - 2);
    directories_.push_back(std::move(grown));
    directory_.store(directory, std::memory_order_release);
  }

  const unsigned shift_;
  const unsigned mask_;
  std::atomic<T**> directory_{nullptr};
  std::size_t directory_size_ = 0;
  std::vector<std::unique_ptr<T[]>> chunks_;
  std::vector<std::unique_ptr<T*[]>> directories_;
};

}  // namespace dcache::engine
