// SPDX-License-Identifier: MIT
/// How large the values of a function are, roughly: so that its gets go where they hold nobody up.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

namespace dcache::redis {

/// Thread-safe. Functions that share a place by chance cost each other the better connection only.
class Sizes {
 public:
  static constexpr std::size_t large = std::size_t{64} << 10U;

  /// Of the key's function.
  static std::size_t place_of(std::string_view key) noexcept {
    constexpr std::size_t digest = 52;
    return std::hash<std::string_view>()(key.substr(0, key.size() - std::min(digest, key.size()))) %
           places;
  }
  bool is_large(std::size_t place) const noexcept {
    return means_[place].load(std::memory_order_relaxed) > large;
  }
  void learn(std::size_t place, std::size_t size) noexcept {
    std::atomic<std::size_t>& mean = means_[place];
    const std::size_t before = mean.load(std::memory_order_relaxed);
    const std::size_t after = before - before / 8 + size / 8;
    if (after != before) mean.store(after, std::memory_order_relaxed);
  }

 private:
  static constexpr std::size_t places = 256;

  std::array<std::atomic<std::size_t>, places> means_{};
};

}  // namespace dcache::redis
