// SPDX-License-Identifier: MIT
// Refused: the function returns nothing, so there is nothing to remember

#include "dcache/memoize.hpp"

void report(int number);
const auto remembered = dcache::memoize(report);
