// SPDX-License-Identifier: MIT
// Refused: a parameter holds a view or a pointer
#include <initializer_list>

#include "dcache/memoize.hpp"

int sum(std::initializer_list<int> numbers);
const auto remembered = dcache::memoize(sum);
