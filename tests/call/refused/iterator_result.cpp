// SPDX-License-Identifier: MIT
// Refused: the function returns a view or a pointer
#include <vector>

#include "dcache/memoize.hpp"

std::vector<int>::const_iterator find(int number);
const auto remembered = dcache::memoize(find);
