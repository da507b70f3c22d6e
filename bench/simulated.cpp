// SPDX-License-Identifier: MIT
#include "simulated.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace dcache::bench {

namespace {

/// Several doubly linked lists over the same ids; an id is in one of them or in none.
class Lists {
 public:
  static constexpr std::size_t none = 0;  // Not a list: where an id is that is in no list.

  Lists(Id unique, std::size_t lists)
      : unique_(unique), links_(unique + lists), sizes_(lists), home_(unique, none) {
    for (std::size_t list = 0; list < lists; ++list) links_[end(list)] = {end(list), end(list)};
  }

  std::size_t where(Id id) const { return home_[id]; }
  std::size_t size(std::size_t list) const { return sizes_[list]; }
  bool empty(std::size_t list) const { return sizes_[list] == 0; }
  Id oldest(std::size_t list) const { return links_[end(list)].previous; }

  /// To the newest end of `list`, out of wherever it is; with `none`, only out.
  void move(Id id, std::size_t list) {
    Link& link = links_[id];
    if (home_[id] != none) {
      links_[link.previous].next = link.next;
      links_[link.next].previous = link.previous;
      --sizes_[home_[id]];
    }
    home_[id] = static_cast<std::uint8_t>(list);
    if (list == none) return;
    link = {end(list), links_[end(list)].next};
    links_[link.next].previous = id;
    links_[end(list)].next = id;
    ++sizes_[list];
  }

 private:
  struct Link {
    Id previous = 0;
    Id next = 0;
  };
  Id end(std::size_t list) const { return unique_ + static_cast<Id>(list); }

  Id unique_;
  std::vector<Link> links_;  // Of the ids, then one sentinel a list.
  std::vector<std::size_t> sizes_;
  std::vector<std::uint8_t> home_;
};

class Lru {
 public:
  Lru(Id unique, std::size_t capacity) : lists_(unique, 2), capacity_(capacity) {}

  bool request(Id id) {
    const bool hit = lists_.where(id) == cached;
    if (!hit && lists_.size(cached) == capacity_) lists_.move(lists_.oldest(cached), Lists::none);
    lists_.move(id, cached);
    return hit;
  }

 private:
  static constexpr std::size_t cached = 1;
  Lists lists_;
  std::size_t capacity_;
};

class Arc {
 public:
  Arc(Id unique, std::size_t capacity) : lists_(unique, 5), capacity_(capacity) {}

  // The cases are those of figure 4 of the paper.
  bool request(Id id) {
    const std::size_t where = lists_.where(id);
    if (where == once || where == often) {
      lists_.move(id, often);
      return true;
    }
    if (where == once_ghost || where == often_ghost) {
      adapt(where);
      replace(where);
      lists_.move(id, often);
      return false;
    }
    make_room();
    lists_.move(id, once);
    return false;
  }

 private:
  enum : std::size_t { none, once, often, once_ghost, often_ghost };  // -, T1, T2, B1, B2

  double size(std::size_t list) const { return static_cast<double>(lists_.size(list)); }

  void adapt(std::size_t ghost) {
    const double ratio = size(once_ghost) / size(often_ghost);
    if (ghost == once_ghost) {
      target_ = std::min(static_cast<double>(capacity_), target_ + std::max(1.0, 1.0 / ratio));
    } else {
      target_ = std::max(0.0, target_ - std::max(1.0, ratio));
    }
  }

  void replace(std::size_t ghost) {
    const double recent = size(once);
    const bool tie = ghost == often_ghost && recent == target_;
    if (recent >= 1 && (recent > target_ || tie)) {
      lists_.move(lists_.oldest(once), once_ghost);
    } else {
      lists_.move(lists_.oldest(often), often_ghost);
    }
  }

  void make_room() {
    const std::size_t recent = lists_.size(once) + lists_.size(once_ghost);
    const std::size_t all = recent + lists_.size(often) + lists_.size(often_ghost);
    if (recent == capacity_) {
      if (lists_.empty(once_ghost)) {
        lists_.move(lists_.oldest(once), none);
        return;
      }
      lists_.move(lists_.oldest(once_ghost), none);
      replace(none);
    } else if (all >= capacity_) {
      if (all == 2 * capacity_) lists_.move(lists_.oldest(often_ghost), none);
      replace(none);
    }
  }

  Lists lists_;
  std::size_t capacity_;
  double target_ = 0;  // Of T1: p.
};

class S3Fifo {
 public:
  S3Fifo(Id unique, std::size_t capacity)
      : lists_(unique, 4), uses_(unique), small_(capacity / 10), main_(capacity - small_) {}

  bool request(Id id) {
    const std::size_t where = lists_.where(id);
    if (where == small || where == main) {
      uses_[id] = std::min<std::uint8_t>(3, uses_[id] + 1);
      return true;
    }
    if (where == ghost) lists_.move(id, Lists::none);
    while (lists_.size(small) + lists_.size(main) >= small_ + main_) evict();
    lists_.move(id, where == ghost ? main : small);
    uses_[id] = 0;
    return false;
  }

 private:
  static constexpr std::size_t small = 1;
  static constexpr std::size_t main = 2;
  static constexpr std::size_t ghost = 3;

  void evict() {
    if (lists_.size(main) > main_ || lists_.empty(small)) {
      evict_main();
    } else {
      evict_small();
    }
  }

  void evict_small() {
    while (!lists_.empty(small)) {
      const Id id = lists_.oldest(small);
      const bool promoted = uses_[id] >= 2;
      uses_[id] = 0;
      lists_.move(id, promoted ? main : ghost);
      if (promoted) continue;
      if (lists_.size(ghost) > main_) lists_.move(lists_.oldest(ghost), Lists::none);
      return;
    }
  }

  void evict_main() {
    for (;;) {
      const Id id = lists_.oldest(main);
      const bool used = uses_[id] > 0;
      lists_.move(id, used ? main : Lists::none);
      if (!used) return;
      --uses_[id];
    }
  }

  Lists lists_;
  std::vector<std::uint8_t> uses_;
  std::size_t small_;
  std::size_t main_;
};

template <class Policy>
std::size_t hits(const Trace& trace, std::size_t capacity) {
  Policy policy(trace.unique, capacity);
  std::size_t hits = 0;
  for (const Id id : trace.requests) hits += policy.request(id) ? 1 : 0;
  return hits;
}

}  // namespace

std::size_t lru_hits(const Trace& trace, std::size_t capacity) {
  return hits<Lru>(trace, capacity);
}

std::size_t arc_hits(const Trace& trace, std::size_t capacity) {
  return hits<Arc>(trace, capacity);
}

std::size_t s3fifo_hits(const Trace& trace, std::size_t capacity) {
  return hits<S3Fifo>(trace, capacity);
}

}  // namespace dcache::bench
