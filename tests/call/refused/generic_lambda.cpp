// SPDX-License-Identifier: MIT
// Refused: memoize cannot tell what this callable takes and returns

#include "dcache/memoize.hpp"

const auto remembered = dcache::memoize([](auto number) { return number; });
