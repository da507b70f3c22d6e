// SPDX-License-Identifier: MIT
// Arguments of a type of your own need `==` and a `std::hash`.
#include <cstddef>
#include <cstdio>
#include <functional>
#include <string>

#include "dcache/dcache.hpp"

namespace geo {

struct Place {
  std::string country;
  int postcode = 0;

  // Whatever the function looks at belongs here: what is equal has one result.
  bool operator==(const Place&) const = default;
};

}  // namespace geo

template <>
struct std::hash<geo::Place> {
  // It may be as simple as this: dcache mixes the bits again.
  std::size_t operator()(const geo::Place& place) const noexcept {
    return std::hash<std::string>()(place.country) ^ std::hash<int>()(place.postcode);
  }
};

namespace {

struct Route {
  int kilometres = 0;
};

Route plan(const geo::Place& from, const geo::Place& to) {
  std::printf("  planning %s-%d to %s-%d\n", from.country.c_str(), from.postcode,
              to.country.c_str(), to.postcode);
  return {from.postcode > to.postcode ? from.postcode - to.postcode : to.postcode - from.postcode};
}

}  // namespace

int main() {
  const auto route = dcache::memoize("route", plan);
  const geo::Place vienna{"AT", 1010};
  const geo::Place graz{"AT", 8010};

  std::printf("%d km\n", route(vienna, graz).kilometres);
  std::printf("%d km\n", route({"AT", 1010}, {"AT", 8010}).kilometres);  // The same places.
  std::printf("%d km\n", route(graz, vienna).kilometres);                // The other way round.
}

// Prints:
//   planning AT-1010 to AT-8010
// 7000 km
// 7000 km
//   planning AT-8010 to AT-1010
// 7000 km
