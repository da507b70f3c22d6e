// SPDX-License-Identifier: MIT
#include <dcache/dcache.hpp>

int main() {
  auto square = dcache::memoize([](int n) { return n * n; });
  return square(3) == 9 && square(3) == 9 ? 0 : 1;
}
