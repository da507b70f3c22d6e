// SPDX-License-Identifier: MIT
// Bytes of new seeds against the model, for DCACHE_FUZZ_SECONDS (default 60). DCACHE_FUZZ_SEED
// plays one seed again.
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "support/memory_model.hpp"

namespace dcache {
namespace {

using testing::MemoryGame;
using testing::random_bytes;

void play(std::uint64_t seed) {
  const auto bytes = random_bytes(seed, 200 + seed % 20'000);
  const auto plain = MemoryGame<std::uint64_t>(bytes).play();
  ASSERT_FALSE(plain.has_value()) << *plain << ", DCACHE_FUZZ_SEED=" << seed << ", plain";
  const auto pinned = MemoryGame<std::string>(bytes).play();
  ASSERT_FALSE(pinned.has_value()) << *pinned << ", DCACHE_FUZZ_SEED=" << seed << ", pinned";
  const auto mixed = MemoryGame<std::string, std::uint64_t>(bytes).play();
  ASSERT_FALSE(mixed.has_value()) << *mixed << ", DCACHE_FUZZ_SEED=" << seed << ", mixed";
}

TEST(MemoryFuzz, AgreesWithTheModel) {
  if (const char* seed = std::getenv("DCACHE_FUZZ_SEED")) return play(std::stoull(seed));
  const char* const wanted = std::getenv("DCACHE_FUZZ_SECONDS");
  const auto end = std::chrono::steady_clock::now() +
                   std::chrono::seconds(wanted == nullptr ? 60 : std::atoi(wanted));
  std::random_device random;
  while (std::chrono::steady_clock::now() < end && !HasFatalFailure()) {
    play(std::uint64_t{random()} << 20U | random() % 1'000'000U);
  }
}

}  // namespace
}  // namespace dcache
