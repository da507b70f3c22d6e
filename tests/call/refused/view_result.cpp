// SPDX-License-Identifier: MIT
// Refused: the function returns a view or a pointer
#include <string_view>

#include "dcache/memoize.hpp"

std::string_view find(int number);
const auto remembered = dcache::memoize(find);
