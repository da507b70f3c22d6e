// SPDX-License-Identifier: MIT
// Random operations against a model, from seeds that are always the same. More: memory_fuzz.
#include <cstdint>
#include <string>

#include <gtest/gtest.h>

#include "support/memory_model.hpp"

namespace dcache {
namespace {

using testing::MemoryGame;
using testing::random_bytes;

template <class Key, class Value = Key>
void play_all(std::uint64_t seeds) {
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    const auto bytes = random_bytes(seed, 3000);
    const auto wrong = MemoryGame<Key, Value>(bytes).play();
    ASSERT_FALSE(wrong.has_value()) << *wrong << ", seed " << seed;
  }
}

TEST(Model, PlainEntriesAgree) { play_all<std::uint64_t>(150); }
TEST(Model, PinnedEntriesAgree) { play_all<std::string>(150); }
TEST(Model, PinnedEntriesOfNumbersAgree) { play_all<std::string, std::uint64_t>(150); }

}  // namespace
}  // namespace dcache
