// SPDX-License-Identifier: MIT
#include "dcache/engine/hash.hpp"

#include <array>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

namespace dcache::engine {
namespace {

template <class T>
std::uint64_t hash(const T& value) {
  return Hash<T>{}(value);
}

TEST(Hash, IsTheSameHoweverTextIsHeld) {
  using Text = Hash<std::string>;
  const std::string text = "some text";
  EXPECT_EQ(Text{}(text), Text{}(std::string_view(text)));
  EXPECT_EQ(Text{}(text), Text{}("some text"));
  EXPECT_EQ(Text{}(text), hash(std::string_view(text)));
}

TEST(Hash, ReadsExactlyTheBytesItIsGiven) {
  for (std::size_t size = 0; size < 100; ++size) {
    // Of the exact size, so that the sanitizer sees one byte too many.
    const auto bytes = std::make_unique<unsigned char[]>(size);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<unsigned char>(i);
    const auto before = hash_bytes(bytes.get(), size);
    for (std::size_t i = 0; i < size; ++i) {
      for (const unsigned bit : {0U, 3U, 7U}) {
        bytes[i] = static_cast<unsigned char>(bytes[i] ^ (1U << bit));
        EXPECT_NE(hash_bytes(bytes.get(), size), before) << "byte " << i << " of " << size;
        bytes[i] = static_cast<unsigned char>(bytes[i] ^ (1U << bit));
      }
    }
    EXPECT_EQ(hash_bytes(bytes.get(), size), before);
  }
}

TEST(Hash, TellsRunsOfZerosApart) {
  std::set<std::uint64_t> seen;
  for (std::size_t size = 0; size < 300; ++size) {
    EXPECT_TRUE(seen.insert(hash(std::string(size, '\0'))).second) << size;
  }
}

// No text known beforehand may take all the rest of a key out of the hash.
TEST(Hash, HasNoPrefixThatAnnihilatesTheRest) {
  std::string prefix(8, ' ');
  std::memcpy(prefix.data(), &hash_secret, sizeof hash_secret);
  for (const std::size_t size : {16U, 24U, 40U}) {
    std::set<std::uint64_t> seen;
    for (int i = 0; i < 100; ++i) {
      std::string text = prefix + std::string(size - 8, '.');
      text[8] = static_cast<char>(i);
      seen.insert(hash(text));
    }
    EXPECT_EQ(seen.size(), 100U) << "of " << size << " bytes";
  }
}

// Shard, group, tag and sample come from different bits: each must be a coin of its own.
template <class Make>
void expect_each_bit_even(const Make& make) {
  constexpr int count = 20'000;
  std::array<int, 64> ones{};
  for (int i = 0; i < count; ++i) {
    const std::uint64_t bits = make(i);
    for (unsigned bit = 0; bit < 64; ++bit) ones[bit] += static_cast<int>(bits >> bit & 1U);
  }
  // Eight standard deviations.
  for (const int one : ones) EXPECT_NEAR(one, count / 2.0, 8 * std::sqrt(count) / 2);
}

TEST(Hash, MixesWeakNumbersIntoEveryBit) {
  expect_each_bit_even([](int i) { return hash(i); });
  expect_each_bit_even(
      [](int i) { return hash(std::uint64_t{1} << 40U | std::uint64_t(i) << 12U); });
  expect_each_bit_even([](int i) { return hash(static_cast<double>(i)); });
  expect_each_bit_even([](int i) { return hash(std::to_string(i)); });
  expect_each_bit_even([](int i) { return hash(std::pair(i % 100, i / 100)); });
  expect_each_bit_even([](int i) { return hash(std::vector<int>{1, i}); });
}

TEST(Hash, ChangesHalfOfItsBitsWithOneOfTheKeys) {
  double flips = 0;
  for (unsigned bit = 0; bit < 64; ++bit) {
    for (std::uint64_t key = 1; key < 100; ++key) {
      flips += std::popcount(hash(key * 0x123456789U) ^
                             hash(key * 0x123456789U ^ std::uint64_t{1} << bit));
    }
  }
  EXPECT_NEAR(flips / (64 * 99), 32, 2);
}

TEST(Same, TellsTextsApartThatDifferInOneCharacter) {
  const Same<std::string> same;
  for (std::size_t size = 0; size < 40; ++size) {
    const std::string text(size, 'a');
    EXPECT_TRUE(same(text, std::string(size, 'a')));
    EXPECT_FALSE(same(text, text + 'a'));
    for (std::size_t at = 0; at < size; ++at) {
      std::string other = text;
      other[at] = '\0';
      EXPECT_FALSE(same(text, other)) << size << ' ' << at;
    }
  }
}

TEST(Hash, TellsSmallNumbersAndOrdersApart) {
  std::set<std::uint64_t> seen;
  for (int a = 0; a < 200; ++a) {
    for (int b = 0; b < 200; ++b) EXPECT_TRUE(seen.insert(hash(std::tuple(a, b))).second);
  }
}

TEST(Hash, GoesWithTheEqualityOfFloatingPoint) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_NE(hash(0.0), hash(-0.0));
  EXPECT_FALSE(Same<double>{}(0.0, -0.0));
  EXPECT_EQ(hash(nan), hash(-nan));
  EXPECT_TRUE(Same<double>{}(nan, -nan));
  EXPECT_FALSE(Same<double>{}(nan, 1.0));
  EXPECT_TRUE(Same<float>{}(1.5F, 1.5F));
  EXPECT_NE(hash(0.0L), hash(-0.0L));
}

TEST(Hash, TakesNumbersAsTheKeysTypeWould) {
  EXPECT_TRUE(Same<std::uint64_t>{}(std::uint64_t{1}, 1));
  EXPECT_TRUE(Same<float>{}(0.1F, 0.1));
  EXPECT_FALSE(Same<int>{}(1, 2L));
}

TEST(Hash, CoversContainersByContent) {
  using Set = std::unordered_set<int>;
  Set some;
  Set same;
  for (int i = 0; i < 100; ++i) some.insert(i);
  for (int i = 99; i >= 0; --i) same.insert(i);
  EXPECT_EQ(hash(some), hash(same)) << "their order is no content";
  same.erase(5);
  EXPECT_NE(hash(some), hash(same));

  EXPECT_NE(hash(std::vector<int>{1, 2}), hash(std::vector<int>{2, 1}));
  EXPECT_NE(hash(std::vector<std::string>{"ab", "c"}), hash(std::vector<std::string>{"a", "bc"}));
  EXPECT_NE(hash(std::vector<std::vector<int>>{{}, {1}}),
            hash(std::vector<std::vector<int>>{{1}, {}}));
  EXPECT_NE(hash(std::vector<bool>{true, false}), hash(std::vector<bool>{false, true}));
  EXPECT_EQ(hash(std::map<int, int>{{1, 2}, {3, 4}}), hash(std::map<int, int>{{3, 4}, {1, 2}}));
  EXPECT_NE(hash(std::unordered_map<int, int>{{1, 2}}), hash(std::unordered_map<int, int>{{2, 1}}));
  EXPECT_TRUE(Same<std::vector<double>>{}(std::vector<double>{NAN}, std::vector<double>{NAN}));
  EXPECT_FALSE(Same<std::vector<double>>{}(std::vector<double>{0.0}, std::vector<double>{-0.0}));
}

TEST(Hash, TellsTheAlternativesApart) {
  EXPECT_NE(hash(std::optional<int>()), hash(std::optional<int>(0)));
  EXPECT_TRUE(Same<std::optional<double>>{}(std::optional(NAN), std::optional(NAN)));
  using Either = std::variant<int, long, std::monostate>;
  const std::vector<Either> all{Either(1), Either(1L), Either(std::monostate())};
  for (std::size_t a = 0; a < all.size(); ++a) {
    for (std::size_t b = 0; b < all.size(); ++b) {
      EXPECT_EQ(hash(all[a]) == hash(all[b]), a == b);
      EXPECT_EQ(Same<Either>{}(all[a], all[b]), a == b);
    }
  }
}

TEST(Hash, CoversTime) {
  using namespace std::chrono_literals;
  EXPECT_NE(hash(1s), hash(2s));
  const std::chrono::system_clock::time_point begin;
  EXPECT_NE(hash(begin), hash(begin + 1s));
}

struct Weak {
  int number;
};

}  // namespace
}  // namespace dcache::engine

template <>
struct std::hash<dcache::engine::Weak> {
  std::size_t operator()(const dcache::engine::Weak& weak) const noexcept {
    return static_cast<std::size_t>(weak.number);  // The identity, as many are.
  }
};

namespace dcache::engine {
namespace {

TEST(Hash, MixesWhatAHashOfTheUsersSays) {
  expect_each_bit_even([](int i) { return hash(Weak{i}); });
}

}  // namespace
}  // namespace dcache::engine
