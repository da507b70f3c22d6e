// SPDX-License-Identifier: MIT
// Refused: the function returns a view or a pointer
#include <initializer_list>

#include "dcache/memoize.hpp"

std::initializer_list<int> list(int number);
const auto remembered = dcache::memoize(list);
