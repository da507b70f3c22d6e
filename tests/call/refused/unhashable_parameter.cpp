// SPDX-License-Identifier: MIT
// Refused: a parameter has no hash

#include "dcache/memoize.hpp"

struct Place {
  int postcode;
};
int look(const Place& place);
const auto remembered = dcache::memoize(look);
