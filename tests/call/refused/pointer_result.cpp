// SPDX-License-Identifier: MIT
// Refused: the function returns a view or a pointer

#include "dcache/memoize.hpp"

const char* find(int number);
const auto remembered = dcache::memoize(find);
