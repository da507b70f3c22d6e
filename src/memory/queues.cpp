// SPDX-License-Identifier: MIT
#include "dcache/engine/queues.hpp"

#include <algorithm>
#include <utility>

namespace dcache::engine {

namespace {

std::uint64_t percent_of(std::uint64_t whole, std::uint8_t percent) noexcept {
  return whole / 100 * percent + whole % 100 * percent / 100;
}

}  // namespace

void Queues::set_capacity(std::uint64_t capacity) noexcept {
  capacity_ = capacity;
  set_knobs(knobs_);
}

void Queues::set_knobs(Knobs knobs) noexcept {
  knobs_ = knobs;
  small_target_ = std::max<std::uint64_t>(1, percent_of(capacity_, knobs.small_percent));
  small_limit_ = small_target_ + small_target_ / 8;
}

void Queues::touch(std::uint32_t slot) noexcept {
  if (policy_ == Policy::adaptive) return nodes_->hit(slot);
  if (queue_of(slot) != main || rings_[main_ring].head == slot) return;
  unlink(slot);
  push(main, slot);
}

void Queues::reweigh(std::uint32_t slot, std::uint32_t weight) noexcept {
  const auto queue = queue_of(slot);
  const auto before = nodes_->weight(slot);
  if (before != 0 && weight != 0) {
    rings_[ring_of(queue)].weight += std::uint64_t{weight} - before;
    if (queue == young) youth_.weight += std::uint64_t{weight} - before;
    nodes_->set_weight(slot, weight);
  } else if (before != weight) {
    unlink(slot);
    nodes_->set_weight(slot, weight);
    push(weight == 0 ? pinned : main, slot);
  }
}

void Queues::succeed(std::uint32_t from, std::uint32_t to) noexcept {
  const auto before = nodes_->weight(from);
  const auto after = nodes_->weight(to);
  const auto gone = at(from);
  auto& node = at(to);
  nodes_->set_hits(to, nodes_->hits(from));
  if ((before == 0) != (after == 0)) {
    unlink(from);
    return push(after == 0 ? pinned : main, to);
  }
  const auto queue = std::exchange(queue_of(from), nowhere);
  auto& ring = rings_[ring_of(queue)];
  queue_of(to) = queue;
  node.next = gone.next == from ? to : gone.next;
  node.prev = gone.prev == from ? to : gone.prev;
  at(node.prev).next = to;
  at(node.next).prev = to;
  if (ring.head == from) ring.head = to;
  ring.weight += std::uint64_t{after} - before;
  if (queue != young) return;
  if (youth_.oldest == from) youth_.oldest = to;
  youth_.weight += std::uint64_t{after} - before;
}

std::uint32_t Queues::any() const noexcept {
  for (const auto& ring : rings_) {
    if (!ring.empty()) return ring.head;
  }
  return no_slot;
}

}  // namespace dcache::engine
