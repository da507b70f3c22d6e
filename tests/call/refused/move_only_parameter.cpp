// SPDX-License-Identifier: MIT
// Refused: a parameter cannot be copied, so it cannot be kept in a key
#include <cstddef>
#include <functional>

#include "dcache/memoize.hpp"

struct Ticket {
  Ticket(Ticket&&);
  bool operator==(const Ticket&) const;
};
template <>
struct std::hash<Ticket> {
  std::size_t operator()(const Ticket&) const { return 0; }
};
int take(Ticket ticket);
const auto remembered = dcache::memoize(take);
