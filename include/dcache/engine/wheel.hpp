// SPDX-License-Identifier: MIT
/// What expires next, told in slot numbers: a hierarchical timer wheel.
///
/// Four wheels of 64 buckets, the finest of 1.024 s: 198 days in all (Varghese and Lauck, 1987).
/// It only says when to look at an entry; whether the entry has expired is its deadline's word, so
/// a deadline that moved later costs a second look and nothing else. O(1) each, amortised.
/// Everything REQUIRES the shard's lock.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "dcache/engine/column.hpp"

namespace dcache::engine {

/// Milliseconds since the epoch of a shard.
using Tick = std::uint32_t;
inline constexpr Tick never = ~Tick{0};

class Wheel {
 public:
  explicit Wheel(Layout layout) noexcept : layout_(layout) { buckets_.fill(no_slot); }

  /// Memory for that many slots. Throws std::bad_alloc.
  void cover(std::size_t slots) { layout_.extend(links_, slots); }

  /// Look at `slot` when `deadline` has passed. Replaces an earlier plan.
  void plan(Slot slot, Tick deadline) noexcept;

  /// Forgets the plan for `slot`, if there is one.
  void cancel(Slot slot) noexcept;

  /// The next slot whose deadline is at least about a second past; unlinked from the wheel.
  /// `no_slot`: none, or `steps` is used up (a bucket looked at costs one, and so does a slot that
  /// moves to another bucket). `deadline_of(slot)` gives the present deadline.
  template <class DeadlineOf>
  Slot due(Tick now, std::size_t& steps, DeadlineOf&& deadline_of) noexcept {
    const std::uint32_t now_unit = now >> unit_shift;
    if (planned_ == 0 && at_ < now_unit) at_ = now_unit;
    while (at_ < now_unit && steps > 0) {  // Only units that have passed whole.
      --steps;
      if (const Slot coarse = pop(coarse_bucket()); coarse != no_slot) {
        plan(coarse, deadline_of(coarse));
        continue;
      }
      const Slot slot = pop(at_ % wheel_size);
      if (slot == no_slot) {
        ++at_;
        continue;
      }
      const Tick deadline = deadline_of(slot);
      if (deadline <= now) return slot;
      plan(slot, deadline);  // A hit has moved it.
    }
    return no_slot;
  }

  /// Forgets the plans of slots 0 to `slots`, which are all; the wheel starts again at `now`.
  void clear(Tick now, std::size_t slots) noexcept;

 private:
  static constexpr unsigned unit_shift = 10;  // 1.024 s
  static constexpr unsigned wheel_shift = 6;
  static constexpr std::uint32_t wheel_size = 1U << wheel_shift;
  static constexpr unsigned wheels = 4;

  // A slot that is first in its bucket has the bucket's number plus `first` as its `prev`.
  static constexpr Slot first = 0x80000000U;
  struct Link {
    Slot next = no_slot;
    Slot prev = no_slot;  // no_slot: not planned.
  };

  std::uint32_t coarse_bucket() const noexcept;
  void push(std::uint32_t bucket, Slot slot) noexcept;
  Slot pop(std::uint32_t bucket) noexcept;

  std::uint32_t at_ = 0;  // The unit whose bucket is looked at next.
  std::size_t planned_ = 0;
  std::array<Slot, wheels * wheel_size + 1> buckets_;  // The last stays empty: "no bucket".
  const Layout layout_;
  std::vector<Link> links_;
};

}  // namespace dcache::engine
