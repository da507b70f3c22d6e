// SPDX-License-Identifier: MIT
#include "dcache/engine/monitor.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <new>

#include "dcache/engine/ghost.hpp"

namespace dcache::engine {

namespace {

// With 48 the mean over 31 cells and 24 seeds is that of 64 (40.43 to 40.61), with 32 it is 0.07
// points less. The sample of a large table must be larger to be as sure of itself: with 64 a hash
// seed among 24 left a trace 2 points below LRU (mooncake-conversation, 18279).
constexpr std::size_t entries_min = 48;
constexpr std::size_t entries_min_large = 128;
constexpr std::size_t large = 8192;
constexpr std::size_t entries_max = 2 * entries_min_large - 1;

std::size_t sampling(std::size_t capacity) noexcept {
  const auto least = capacity < large ? entries_min : entries_min_large;
  return std::bit_floor(std::max<std::size_t>(1, capacity / least));
}

}  // namespace

/// A cache of fingerprints under one configuration. Not thread-safe. O(1) a request.
class Shadow {
 public:
  /// `entries` <= entries_max. Throws std::bad_alloc.
  void open(std::size_t entries, Knobs knobs) {
    entries_ = static_cast<std::uint16_t>(entries);
    nodes_.cover(entries);
    ghost_.resize(entries);
    queues_.set_capacity(entries);
    queues_.set_knobs(knobs);
    chains_.fill(none);
  }

  /// Whether it was there; it is now.
  bool request(std::uint32_t print) noexcept {
    for (auto slot = chain(print); slot != none; slot = next_[slot]) {
      if (prints_[slot] != print) continue;
      nodes_.hit(slot);
      return true;
    }
    const bool from_ghost = ghost_.take(spread(print));
    const auto slot = used_ < entries_ ? used_++ : evict();
    prints_[slot] = print;
    next_[slot] = chain(print);
    chain(print) = slot;
    queues_.insert(slot, from_ghost);
    return false;
  }

 private:
  static constexpr std::uint16_t none = 0xFFFF;
  static_assert(entries_max < none);

  std::uint16_t& chain(std::uint32_t print) noexcept { return chains_[print % chains_.size()]; }

  static std::uint64_t spread(std::uint32_t print) noexcept {
    return print * std::uint64_t{0x9E3779B97F4A7C15};
  }

  std::uint16_t evict() noexcept {
    const auto victim = queues_.victim(true);
    const auto slot = static_cast<std::uint16_t>(victim.slot);
    if (victim.remember) ghost_.remember(spread(prints_[slot]));
    auto* link = &chain(prints_[slot]);
    while (*link != slot) link = &next_[*link];
    *link = next_[slot];
    return slot;
  }

  NodeTable nodes_{Layout{}, false};  // A few hundred at most: in steps of 64.
  Queues queues_{nodes_};
  Ghost ghost_;
  std::array<std::uint32_t, entries_max> prints_{};
  std::array<std::uint16_t, entries_max> next_{};
  std::array<std::uint16_t, 256> chains_{};
  std::uint16_t entries_ = 0;
  std::uint16_t used_ = 0;
};

/// The shadows and their race. Not thread-safe.
class Shadows {
 public:
  /// Throws std::bad_alloc.
  explicit Shadows(std::size_t entries)
      : period_(static_cast<std::uint32_t>(std::max<std::size_t>(8, 2 * entries))) {
    for (std::size_t i = 0; i < racers_.size(); ++i) {
      racers_[i].shadow.open(entries, configurations[i]);
    }
  }

  /// Serves one request to all; returns the configuration to use from now on.
  std::uint8_t request(std::uint32_t print, std::uint8_t current) noexcept {
    std::array<bool, configurations.size()> hit;
    for (std::size_t i = 0; i < hit.size(); ++i) hit[i] = racers_[i].shadow.request(print);
    for (std::size_t i = 0; i < hit.size(); ++i) {
      if (hit[i]) racers_[i].score += 1;
      if (hit[i] != hit[current]) racers_[i].disputed += 1;
    }
    if (++requests_ < period_) return current;
    requests_ = 0;
    return judge(current);
  }

 private:
  static constexpr double decay = 0.9;

  struct Racer {
    Shadow shadow;
    double score = 0;     // Hits, the old ones worth less.
    double disputed = 0;  // Requests on which it and the current one differed, likewise.
  };

  // Of two equal configurations the difference of the hits has the square root of the disputed
  // requests as its standard deviation. Against sqrt(hits) this is worth 0.05 points of the mean.
  std::uint8_t judge(std::uint8_t current) noexcept {
    const auto lesser = [](const Racer& a, const Racer& b) { return a.score < b.score; };
    const auto* const best = std::max_element(racers_.begin(), racers_.end(), lesser);
    const auto lead = best->score - racers_[current].score;
    if (lead > 1 + std::sqrt(best->disputed)) {
      current = static_cast<std::uint8_t>(best - racers_.begin());
      for (auto& racer : racers_) racer.disputed = 0;
    }
    for (auto& racer : racers_) {
      racer.score *= decay;
      racer.disputed *= decay;
    }
    return current;
  }

  std::array<Racer, configurations.size()> racers_;
  std::uint32_t period_;
  std::uint32_t requests_ = 0;
};

Monitor::Monitor(std::size_t capacity) noexcept { resize(capacity); }

Monitor::~Monitor() = default;

void Monitor::resize(std::size_t capacity) noexcept {
  capacity_.store(capacity, std::memory_order_relaxed);
  constexpr unsigned tag_bits = 8;
  mask_.store(capacity == 0 ? ~std::uint64_t{0} : (sampling(capacity) - 1) << tag_bits,
              std::memory_order_relaxed);
}

void Monitor::learn() noexcept {
  if (busy_.exchange(true, std::memory_order_acquire)) return;
  if (ready()) {
    replay();
  } else {
    tail_ = head_.load(std::memory_order_relaxed);
  }
  busy_.store(false, std::memory_order_release);
}

bool Monitor::ready() noexcept {
  const auto capacity = capacity_.load(std::memory_order_relaxed);
  if (shadows_ != nullptr && built_for_ == capacity) return true;
  shadows_.reset();
  const auto rate = sampling(capacity);
  if (capacity < 2 || ++misses_ < capacity / 16 / rate) return false;
  misses_ = 0;
  try {
    shadows_ = std::make_unique<Shadows>(capacity / rate);
    built_for_ = capacity;
  } catch (const std::bad_alloc&) {
    return false;
  }
  return true;
}

void Monitor::replay() noexcept {
  const auto head = head_.load(std::memory_order_acquire);
  const auto waiting = static_cast<std::int32_t>(head - tail_);
  // Racing writers may set the head back; what lies before the tail was replayed already.
  if (waiting < 0) tail_ = head;
  if (waiting > static_cast<std::int32_t>(ring_size)) tail_ = head - ring_size;
  auto choice = choice_.load(std::memory_order_relaxed);
  for (; tail_ != head; ++tail_) {
    choice = shadows_->request(ring_[tail_ % ring_size].load(std::memory_order_relaxed), choice);
  }
  choice_.store(choice, std::memory_order_relaxed);
}

}  // namespace dcache::engine
