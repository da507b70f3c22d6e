// SPDX-License-Identifier: MIT
// Refused: the function returns a view or a pointer
#include <span>

#include "dcache/memoize.hpp"

std::span<const int> find(int number);
const auto remembered = dcache::memoize(find);
