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

constinit const Index::Group Index::nothing{};

std::size_t Index::next_groups(std::size_t entries_max) const noexcept {
  constexpr std::size_t first = 2;
  const std::size_t now = std::max(live_count_, first - 1);
  // Steps of eight down from the last size: the smallest that is larger than now.
  std::size_t groups = std::max(entries_max / group_load + 1, now + 1);
  while ((groups + 7) / 8 > now && (groups + 7) / 8 >= first) groups = (groups + 7) / 8;
  return groups;
}

void Index::prepare(std::size_t groups) {
  tables_.reserve(tables_.size() + 1);
  tables_.push_back(std::make_unique<Group[]>(groups));
  prepared_ = groups;
}

void Index::adopt(std::uint64_t (*hash_of)(const void*, Slot) noexcept,
                  const void* context) noexcept {
  const Group* const old = live_;
  const std::size_t old_count = live_count_;
  live_ = tables_.back().get();
  live_count_ = prepared_;
  room_ = live_count_ * group_load;
  size_ = 0;
  for (std::size_t at = 0; at < old_count; ++at) {
    const Group& group = old[at];
    for (unsigned place = 0; place < group_size; ++place) {
      if ((matches(group, 0) >> place & 1U) != 0) continue;
      const Slot slot = group.slots[place].load(std::memory_order_relaxed);
      insert(hash_of(context, slot), slot);
    }
  }
  groups_.store(live_, std::memory_order_release);
  count_.store(live_count_, std::memory_order_release);
}

void Index::insert(std::uint64_t hash, Slot slot) noexcept {
  for (std::size_t at = home(hash, live_count_);; at = next(at)) {
    Group& group = live_[at];
    const unsigned empty = matches(group, 0);
    if (empty == 0) [[unlikely]] {
      add_overflow(group, +1);
      continue;
    }
    const auto place = static_cast<unsigned>(std::countr_zero(empty));
    group.slots[place].store(slot, std::memory_order_release);
    set_tag(group, place, tag(hash));
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
  set_tag(last, place, 0);
  --size_;
  std::size_t at = home(hash, live_count_);
  while (&live_[at] != &last) [[unlikely]] {
    add_overflow(live_[at], -1);
    at = next(at);
  }
}

void Index::clear() noexcept {
  for (std::size_t at = 0; at < live_count_; ++at) {
    for (auto& word : live_[at].words) word.store(0, std::memory_order_release);
  }
  size_ = 0;
}

// Without a branch on the place: it would be mispredicted every other time.
void Index::set_tag(Group& group, unsigned place, std::uint8_t tag) noexcept {
  auto& word = group.words[place / 8];
  word.store(with_byte(word.load(std::memory_order_relaxed), place % 8, tag),
             std::memory_order_release);
}

void Index::add_overflow(Group& group, int by) noexcept {
  const unsigned count = overflow(group);
  if (count == overflow_stuck) return;
  auto& word = group.words[1];
  word.store(with_byte(word.load(std::memory_order_relaxed), 7,
                       static_cast<std::uint8_t>(static_cast<int>(count) + by)),
             std::memory_order_release);
}

Index::Group& Index::place_of(std::uint64_t hash, Slot slot, unsigned& place) noexcept {
  for (std::size_t at = home(hash, live_count_);; at = next(at)) {
    Group& group = live_[at];
    for (unsigned match = matches(group, tag(hash)); match != 0; match &= match - 1) {
      place = static_cast<unsigned>(std::countr_zero(match));
      if (group.slots[place].load(std::memory_order_relaxed) == slot) return group;
    }
  }
}

}  // namespace dcache::engine
