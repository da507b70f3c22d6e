// SPDX-License-Identifier: MIT
/// Published eviction policies to measure ours against, as plain single-threaded simulators.
///
/// Entries all weigh one; every miss is followed by an insert. Ids are 0 to unique - 1, so that
/// tables are arrays. Capacities are at least 10 entries.
#pragma once

#include <cstddef>
#include <cstdint>

#include "trace.hpp"

namespace dcache::bench {

/// How many requests of `trace` a cache of `capacity` entries answers.
std::size_t lru_hits(const Trace& trace, std::size_t capacity);

/// Adaptive Replacement Cache: Megiddo and Modha, FAST 2003, with a real-valued target.
std::size_t arc_hits(const Trace& trace, std::size_t capacity);

/// S3-FIFO: Yang et al., SOSP 2023. Small queue 10 %, ghost as large as the main queue, 2-bit
/// counters, two hits lead from the small queue to the main one.
std::size_t s3fifo_hits(const Trace& trace, std::size_t capacity);

}  // namespace dcache::bench
