// SPDX-License-Identifier: MIT
// Refused: memoize cannot tell what this callable takes and returns

#include <chrono>

#include "dcache/memoize.hpp"

using namespace std::chrono_literals;
const auto remembered =
    dcache::memoize("name", [](auto number) { return number; }, {.ttl = 1min, .jitter = 0.1});
