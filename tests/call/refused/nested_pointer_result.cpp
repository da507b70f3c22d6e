// SPDX-License-Identifier: MIT
// Refused: or something that holds one
#include <utility>

#include "dcache/memoize.hpp"

std::pair<int, const char*> find(int number);
const auto remembered = dcache::memoize(find);
