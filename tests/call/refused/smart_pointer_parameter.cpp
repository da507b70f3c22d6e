// SPDX-License-Identifier: MIT
// Refused: a parameter is a pointer
#include <memory>

#include "dcache/memoize.hpp"

int look(std::shared_ptr<int> number);
const auto remembered = dcache::memoize(look);
