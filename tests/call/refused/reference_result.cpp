// SPDX-License-Identifier: MIT
// Refused: the function returns a reference
#include <string>

#include "dcache/memoize.hpp"

const std::string& find(int number);
const auto remembered = dcache::memoize(find);
