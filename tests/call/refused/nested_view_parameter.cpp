// SPDX-License-Identifier: MIT
// Refused: a parameter holds a view or a pointer
#include <string_view>
#include <vector>

#include "dcache/memoize.hpp"

int count(const std::vector<std::string_view>& words);
const auto remembered = dcache::memoize(count);
