// SPDX-License-Identifier: MIT
// Refused: or something that holds one
#include <optional>
#include <string_view>
#include <vector>

#include "dcache/memoize.hpp"

std::optional<std::vector<std::string_view>> words(int number);
const auto remembered = dcache::memoize(words);
