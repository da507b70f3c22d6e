// SPDX-License-Identifier: MIT
#include "dcache/engine/index.hpp"

#include <algorithm>

namespace dcache::engine {
namespace {

constexpr unsigned overflow_stuck = 255;  // Past it the count is no longer exact and stays.

std::uint64_t with_byte(std::uint64_t word, unsigned byte, std::uint8_t value) noexcept {
  const unsigned shift = byte * 8;
  return (word & ~(std::uint64_t{0xFF} << shift)) | std::uint64_t{value} << shift;
}

}  // namespace

const Index::Table& Index::nothing() {
  static const Table* const table = new Table(1);  // Never destroyed: tables may be static.
  return *table;
}

std::size_t Index::next_groups(std::size_t entries_max) const noexcept {
  constexpr std::size_t first = 2;
  const std::size_t now = live_ == nullptr ? first - 1 : live_->count;
  // Steps of eight down from the last size: the smallest that is larger than now.
  std::size_t groups = std::max(entries_max / group_load + 1, now + 1);
  while ((groups + 7) / 8 > now && (groups + 7) / 8 >= first) groups = (groups + 7) / 8;
  return groups;
}

void Index::prepare(std::size_t groups) {
  tables_.reserve(tables_.size() + 1);
  tables_.push_back(std::make_unique<Table>(groups));
}

void Index::adopt(std::uint64_t (*hash_of)(const void*, Slot) noexcept,
                  const void* context) noexcept {
  const Table* old = live_;
  live_ = tables_.back().get();
  room_ = live_->count * group_load;
  size_ = 0;
  if (old != nullptr) {
    for (std::size_t at = 0; at < old->count; ++at) {
      const Group& group = old->groups[at];
      for (unsigned place = 0; place < group_size; ++place) {
        const std::uint64_t tags = (place < 8 ? group.low : group.high).load();
        if ((tags >> (place % 8 * 8) & 0xFFU) == 0) continue;
        const Slot slot = group.slots[place].load(std::memory_order_relaxed);
        insert(hash_of(context, slot), slot);
      }
    }
  }
  table_.store(live_, std::memory_order_release);
}

void Index::insert(std::uint64_t hash, Slot slot) noexcept {
  for (std::size_t at = home(hash, live_->count);; at = next(at)) {
    Group& group = live_->groups[at];
    const std::uint64_t low = group.low.load(std::memory_order_relaxed);
    const std::uint64_t high = group.high.load(std::memory_order_relaxed);
    const unsigned empty = matches(low, high, 0);
    if (empty == 0) {
      add_overflow(group, +1);
      continue;
    }
    const auto place = static_cast<unsigned>(std::countr_zero(empty));
    group.slots[place].store(slot, std::memory_order_release);
    auto& word = place < 8 ? group.low : group.high;
    word.store(with_byte(place < 8 ? low : high, place % 8, tag(hash)), std::memory_order_release);
    ++size_;
    return;
  }
}

void Index::replace(std::uint64_t hash, Slot from, Slot to) noexcept {
  unsigned place = 0;
  Group& group = place_of(hash, from, place);
  group.slots[place].store(to, std::memory_order_release);
}

void Index::erase(std::uint64_t hash, Slot slot) noexcept {
  unsigned place = 0;
  Group& last = place_of(hash, slot, place);
  auto& word = place < 8 ? last.low : last.high;
  word.store(with_byte(word.load(std::memory_order_relaxed), place % 8, 0),
             std::memory_order_release);
  --size_;
  std::size_t at = home(hash, live_->count);
  while (&live_->groups[at] != &last) [[unlikely]] {
    add_overflow(live_->groups[at], -1);
    at = next(at);
  }
}

void Index::clear() noexcept {
  if (live_ == nullptr) return;
  for (std::size_t at = 0; at < live_->count; ++at) {
    live_->groups[at].low.store(0, std::memory_order_release);
    live_->groups[at].high.store(0, std::memory_order_release);
  }
  size_ = 0;
}

void Index::add_overflow(Group& group, int by) noexcept {
  const std::uint64_t high = group.high.load(std::memory_order_relaxed);
  const unsigned count = overflow(high);
  if (count == overflow_stuck) return;
  group.high.store(with_byte(high, 7, static_cast<std::uint8_t>(static_cast<int>(count) + by)),
                   std::memory_order_release);
}

Index::Group& Index::place_of(std::uint64_t hash, Slot slot, unsigned& place) noexcept {
  for (std::size_t at = home(hash, live_->count);; at = next(at)) {
    Group& group = live_->groups[at];
    unsigned match = matches(group.low.load(std::memory_order_relaxed),
                             group.high.load(std::memory_order_relaxed), tag(hash));
    for (; match != 0; match &= match - 1) {
      place = static_cast<unsigned>(std::countr_zero(match));
      if (group.slots[place].load(std::memory_order_relaxed) == slot) return group;
    }
  }
}

}  // namespace dcache::engine
