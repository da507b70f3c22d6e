// SPDX-License-Identifier: MIT
#include "dcache/engine/walk.hpp"

#include <algorithm>
#include <thread>

namespace dcache::engine {

bool Walk::wait(SteadyMoment at_most) const {
  const SteadyMoment moment = std::min(at_most, until());
  const bool completed = op() != nullptr && op()->wait_until(moment);
  if (op() == nullptr) std::this_thread::sleep_until(moment);
  if (completed) return true;
  if (moment != until()) return false;
  if (op() != nullptr) abandon();
  return true;
}

void run(Walk walk) {
  while (!walk.step()) walk.wait();
}

}  // namespace dcache::engine
