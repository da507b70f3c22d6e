// SPDX-License-Identifier: MIT
// Refused: a parameter holds a view or a pointer
#include <optional>

#include "dcache/memoize.hpp"

int look(std::optional<const int*> number);
const auto remembered = dcache::memoize(look);
