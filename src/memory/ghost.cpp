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

void Ghost::remember(std::uint64_t hash) noexcept {
  if (buckets_ == 0) return;
  auto& prints = bucket(hash).prints;
  std::copy_backward(prints, prints + ways - 1, prints + ways);
  prints[0] = print(hash);
}

bool Ghost::take(std::uint64_t hash) noexcept {
  if (buckets_ == 0) return false;
  auto& prints = bucket(hash).prints;
  auto* const found = std::find(prints, prints + ways, print(hash));
  if (found == prints + ways) return false;
  std::copy(found + 1, prints + ways, found);
  prints[ways - 1] = 0;
  return true;
}

void Ghost::clear() noexcept { std::fill_n(table_.get(), buckets_, Bucket{}); }

}  // namespace dcache::engine
