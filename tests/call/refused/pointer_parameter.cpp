// SPDX-License-Identifier: MIT
// Refused: a parameter is a pointer

#include "dcache/memoize.hpp"

int sum(const int* numbers);
const auto remembered = dcache::memoize(sum);
