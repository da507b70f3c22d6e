// SPDX-License-Identifier: MIT
#include "dcache/engine/wheel.hpp"

#include <algorithm>

namespace dcache::engine {

void Wheel::plan(Slot slot, Tick deadline) noexcept {
  cancel(slot);
  if (deadline == never) return;
  const std::uint32_t unit = std::max(deadline >> unit_shift, at_);
  unsigned wheel = 0;
  while (wheel + 1 < wheels && unit - at_ >= 1U << (wheel_shift * (wheel + 1))) ++wheel;
  push(wheel * wheel_size + (unit >> (wheel_shift * wheel)) % wheel_size, slot);
}

void Wheel::cancel(Slot slot) noexcept {
  Link& link = links_[slot];
  if (link.prev == no_slot) return;
  if ((link.prev & first) != 0) {
    buckets_[link.prev & ~first] = link.next;
  } else {
    links_[link.prev].next = link.next;
  }
  if (link.next != no_slot) links_[link.next].prev = link.prev;
  link = Link{};
  --planned_;
}

void Wheel::clear(Tick now, std::size_t slots) noexcept {
  buckets_.fill(no_slot);
  for (Slot slot = 0; slot < slots; ++slot) links_[slot] = Link{};
  planned_ = 0;
  at_ = now >> unit_shift;
}

// At a multiple of 64^n units the bucket of wheel n that begins there moves to the finer wheels.
std::uint32_t Wheel::coarse_bucket() const noexcept {
  for (unsigned wheel = 1; wheel < wheels; ++wheel) {
    const unsigned shift = wheel_shift * wheel;
    if (at_ % (1U << shift) != 0) break;
    const std::uint32_t bucket = wheel * wheel_size + (at_ >> shift) % wheel_size;
    if (buckets_[bucket] != no_slot) return bucket;
  }
  return wheels * wheel_size;
}

void Wheel::push(std::uint32_t bucket, Slot slot) noexcept {
  const Slot next = buckets_[bucket];
  links_[slot] = Link{next, bucket | first};
  if (next != no_slot) links_[next].prev = slot;
  buckets_[bucket] = slot;
  ++planned_;
}

Slot Wheel::pop(std::uint32_t bucket) noexcept {
  const Slot slot = buckets_[bucket];
  if (slot != no_slot) cancel(slot);
  return slot;
}

}  // namespace dcache::engine
