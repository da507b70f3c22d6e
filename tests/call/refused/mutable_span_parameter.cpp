// SPDX-License-Identifier: MIT
// Refused: a std::span argument must be of const elements
#include <span>

#include "dcache/memoize.hpp"

int fill(std::span<int> numbers);
const auto remembered = dcache::memoize(fill);
