// SPDX-License-Identifier: MIT
#include "dcache/engine/index.hpp"

#include <algorithm>
#include <limits>

namespace dcache::engine {
namespace {

constexpr std::size_t narrow_reach = std::size_t{1} << 16U;

template <class Group>
Group* add_table(std::vector<std::unique_ptr<Group[]>>& tables, std::size_t groups) {
  tables.reserve(tables.size() + 1);
  return tables.emplace_back(std::make_unique<Group[]>(groups)).get();
}

// Steps of eight down from the last size: the smallest with at least `least`.
std::size_t step(std::size_t last, std::size_t least) noexcept {
  std::size_t groups = std::max(last, least);
  while ((groups + 7) / 8 >= least) groups = (groups + 7) / 8;
  return groups;
}

}  // namespace

constinit NarrowGroup Index::nothing_{};

void Index::prepare(std::size_t entries_max, std::size_t reach) {
  const bool wide = reach > narrow_reach;
  const auto groups_for = [wide](std::size_t entries) {
    return wide ? WideGroup::groups_for(entries) : NarrowGroup::groups_for(entries);
  };
  const std::size_t least =
      std::max(live_count_ == 0 ? 2 : live_count_ + 1, groups_for(size() + 1));
  prepared_count_ = step(groups_for(entries_max), least);
  prepared_ = wide ? IndexGroups(add_table(wide_, prepared_count_))
                   : IndexGroups(add_table(narrow_, prepared_count_));
}

void Index::adopt(std::uint64_t (*hash_of)(const void*, Slot) noexcept,
                  const void* context) noexcept {
  const IndexGroups old = live_;
  const std::size_t old_count = live_count_;
  live_ = prepared_;
  live_count_ = prepared_count_;
  capacity_ = live_.wide() ? WideGroup::capacity(live_count_) : NarrowGroup::capacity(live_count_);
  reach_ = live_.wide() ? std::numeric_limits<Slot>::max() : narrow_reach;
  size_.store(0, std::memory_order_relaxed);
  if (old_count > 0) {
    old.visit([&](const auto* groups) { move_in(groups, old_count, hash_of, context); });
  }
  groups_.store(live_, std::memory_order_release);
  count_.store(live_count_, std::memory_order_release);
}

template <class Group>
void Index::move_in(const Group* groups, std::size_t count,
                    std::uint64_t (*hash_of)(const void*, Slot) noexcept,
                    const void* context) noexcept {
  for (std::size_t at = 0; at < count; ++at) {
    const unsigned empty = groups[at].matches(0);
    for (unsigned place = 0; place < Group::places; ++place) {
      if ((empty >> place & 1U) != 0) continue;
      const Slot slot = groups[at].slot(place);
      insert(hash_of(context, slot), slot);
    }
  }
}

void Index::clear() noexcept {
  live_.visit([&](auto* groups) {
    for (std::size_t at = 0; at < live_count_; ++at) groups[at].clear();
  });
  size_.store(0, std::memory_order_relaxed);
  if (live_count_ == 0) return;
  groups_.store(live_, std::memory_order_release);  // A fork may have come before `adopt` did it.
  count_.store(live_count_, std::memory_order_release);
}

}  // namespace dcache::engine
