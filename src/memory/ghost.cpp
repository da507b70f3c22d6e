// SPDX-License-Identifier: MIT
#include "dcache/engine/ghost.hpp"

#include <algorithm>
#include <limits>
#include <new>

namespace dcache::engine {

void Ghost::resize(std::size_t entries) noexcept {
  const auto wanted = std::clamp<std::size_t>((entries + ways - 1) / ways, 1,
                                              std::numeric_limits<std::uint32_t>::max());
  if (wanted == buckets_) return clear();
  auto* table = new (std::nothrow) Bucket[wanted]{};
  if (table == nullptr) return;
  table_.reset(table);
  buckets_ = wanted;
}

// The newer ones stay, the older ones move up.
bool Ghost::drop(Bucket& bucket, std::uint64_t print) noexcept {
  for (unsigned shift = 0; shift < 64; shift += 16) {
    if ((bucket >> shift & 0xFFFFU) != print) continue;
    const std::uint64_t newer = bucket & ((std::uint64_t{1} << shift) - 1);
    const std::uint64_t older = shift == 48 ? 0 : bucket >> (shift + 16) << shift;
    bucket = newer | older;
    return true;
  }
  return false;
}

void Ghost::clear() noexcept { std::fill_n(table_.get(), buckets_, Bucket{0}); }

}  // namespace dcache::engine
