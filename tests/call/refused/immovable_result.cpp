// SPDX-License-Identifier: MIT
// Refused: the function returns what can be neither moved nor copied
#include <mutex>

#include "dcache/memoize.hpp"

struct Guarded {
  std::mutex mutex;
};
Guarded make(int number);
const auto remembered = dcache::memoize(make);
