// SPDX-License-Identifier: MIT
// Refused: a parameter is a non-const reference
#include <string>

#include "dcache/memoize.hpp"

int fill(std::string& text);
const auto remembered = dcache::memoize(fill);
