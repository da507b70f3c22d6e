// SPDX-License-Identifier: MIT
// Refused: the callable cannot be called with the arguments of the signature
#include <string>

#include "dcache/memoize.hpp"

const auto remembered = dcache::memoize<int(std::string)>([](int number) { return number; });
