// SPDX-License-Identifier: MIT
#include "dcache/engine/random.hpp"

#include <chrono>
#include <cstdint>

#include "dcache/engine/fork.hpp"
#include "dcache/engine/hash.hpp"

namespace dcache::engine {
namespace {

struct State {
  std::uint64_t counter = 0;
  std::uint32_t generation = 0;  // No generation: to be seeded.
};

thread_local constinit State state;

void seed() noexcept {
  const auto time = std::chrono::steady_clock::now().time_since_epoch().count();
  const auto place = reinterpret_cast<std::uintptr_t>(&state);  // Differs by thread.
  state.generation = fork_generation();
  state.counter =
      hash_combine(hash_combine(static_cast<std::uint64_t>(time), place), state.generation);
}

}  // namespace

double random_fraction() noexcept {
  if (state.generation != fork_generation()) seed();
  constexpr double step = 1.0 / 9007199254740992.0;  // 2^-53
  return static_cast<double>(hash_number(++state.counter) >> 11U) * step;
}

}  // namespace dcache::engine
