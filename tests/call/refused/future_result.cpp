// SPDX-License-Identifier: MIT
// Refused: the function returns a std::future, which can be read once
#include <future>

#include "dcache/memoize.hpp"

std::future<int> start(int number);
const auto remembered = dcache::memoize(start);
