// SPDX-License-Identifier: MIT
// Refused: a std::span of bool cannot be given back from what keeps it
#include <cstddef>
#include <span>

#include "dcache/memoize.hpp"

std::size_t count(std::span<const bool> flags);
const auto remembered = dcache::memoize(count);
