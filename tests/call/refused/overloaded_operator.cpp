// SPDX-License-Identifier: MIT
// Refused: memoize cannot tell what this callable takes and returns

#include "dcache/memoize.hpp"

struct Both {
  int operator()(int number) const;
  int operator()(double number) const;
};
const auto remembered = dcache::memoize(Both{});
