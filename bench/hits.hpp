// SPDX-License-Identifier: MIT
/// What a near hit of a function costs, with and without far tiers behind it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "dcache/dcache.hpp"

#include "paired.hpp"

namespace dcache::bench {

/// Pieces: a near hit of a chain of these tiers, and one with `ttl` alone.
inline std::pair<std::size_t, std::size_t> add_near_hits(Paired& paired,
                                                         const std::vector<std::string>& urls) {
  using Square = Memoized<std::int64_t(std::int64_t)>;
  using namespace std::chrono_literals;
  const auto body = [](std::int64_t n) { return n * n; };
  const MemoizeOptions<std::int64_t> options{.ttl = 1h};
  const auto hits = [](Square f) {
    for (std::int64_t n = 0; n < 100; ++n) f(n);
    return [f = std::move(f)](unsigned, std::size_t operations) {
      std::int64_t sum = 0;
      for (std::size_t i = 0; i < operations; ++i) sum += f(static_cast<std::int64_t>(i % 100));
      benchmark::DoNotOptimize(sum);
    };
  };
  const std::size_t alone =
      paired.add({"a hit with ttl", 1, nullptr, hits(memoize("near", body, options))});
  const Cache cache(std::vector<CacheTier>(urls.begin(), urls.end()), {.near_ttl = 1h});
  const std::size_t chained = paired.add({"a near hit with ttl of a chain", 1, nullptr,
                                          hits(cache.memoize("chained", body, options))});
  return {chained, alone};
}

}  // namespace dcache::bench
