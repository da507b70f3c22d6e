// SPDX-License-Identifier: MIT
// Refused: For a member function, pass a lambda that calls it

#include "dcache/memoize.hpp"

struct Counter {
  int count(int number) const;
};
const auto remembered = dcache::memoize(&Counter::count);
