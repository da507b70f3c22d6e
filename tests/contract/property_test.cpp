// SPDX-License-Identifier: MIT
// Keys of random values: equal bytes if and only if equal contents, whatever the order in which a
// map or set was filled; values come back as they were. Seeded, so a failure can be looked at
// again.
#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "dcache/codec.hpp"

namespace {

using Random = std::mt19937_64;

// Small domains on purpose: equal values have to come about.
std::size_t below(Random& random, std::size_t bound) { return random() % bound; }

template <class T>
struct Some;
template <>
struct Some<bool> {
  static bool make(Random& random) { return below(random, 2) == 1; }
};
template <>
struct Some<std::int64_t> {
  static std::int64_t make(Random& random) {
    static constexpr std::int64_t edges[] = {
        0, 1, -1, 23, 24, 255, 256, -24, -25, 65535, 65536, 1LL << 32, INT64_MIN, INT64_MAX};
    return edges[below(random, std::size(edges))];
  }
};
template <>
struct Some<double> {
  static double make(Random& random) {
    static constexpr double edges[] = {0.0, 1.0, 1.5, -2.25, 1e300, 65504.0, 1e-7, 0.1};
    return edges[below(random, std::size(edges))];
  }
};
template <>
struct Some<std::string> {
  static std::string make(Random& random) {
    static const std::string texts[] = {
        "", "a", "b", "ab", "1", std::string(30, 'x'), "\xC3\xBC", std::string("a\0b", 3)};
    return texts[below(random, std::size(texts))];
  }
};
template <class T>
struct Some<std::optional<T>> {
  static std::optional<T> make(Random& random) {
    return below(random, 3) == 0 ? std::nullopt : std::optional<T>(Some<T>::make(random));
  }
};
template <class... T>
struct Some<std::tuple<T...>> {
  static std::tuple<T...> make(Random& random) { return {Some<T>::make(random)...}; }
};
template <class... T>
struct Some<std::variant<T...>> {
  static std::variant<T...> make(Random& random) {
    const std::size_t chosen = below(random, sizeof...(T));
    std::size_t at = 0;
    std::variant<T...> value;
    ((at++ == chosen ? void(value = Some<T>::make(random)) : void()), ...);
    return value;
  }
};
template <class Container>
  requires requires(Container& c) { c.begin(); } && (!std::same_as<Container, std::string>)
struct Some<Container> {
  static Container make(Random& random) {
    Container all;
    for (std::size_t left = below(random, 4); left > 0; --left) {
      if constexpr (requires { typename Container::mapped_type; }) {
        all.emplace(Some<typename Container::key_type>::make(random),
                    Some<typename Container::mapped_type>::make(random));
      } else {
        all.insert(all.end(), Some<typename Container::value_type>::make(random));
      }
    }
    return all;
  }
};

using Part = std::variant<std::int64_t, double, std::string, bool>;
using Deep = std::tuple<Part, std::vector<std::optional<std::string>>,
                        std::unordered_map<std::string, std::vector<std::int64_t>>,
                        std::unordered_set<std::int64_t>>;

template <class T>
std::string key_of(const T& value) {
  std::string bytes;
  dcache::Encoder(bytes, dcache::Encoder::Form::key).write(value);
  return bytes;
}

TEST(Keys, AreEqualIfAndOnlyIfContentsAre) {
  Random random(20261129);
  std::vector<std::pair<std::string, Deep>> seen;
  for (int i = 0; i < 1200; ++i) {
    const Deep value = Some<Deep>::make(random);
    seen.emplace_back(key_of(value), value);
  }
  std::sort(seen.begin(), seen.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  std::size_t equal = 0;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    for (std::size_t j = i + 1; j < seen.size(); ++j) {
      const bool same = seen[i].second == seen[j].second;
      ASSERT_EQ(seen[i].first == seen[j].first, same) << i << ' ' << j;
      equal += same ? 1 : 0;
    }
  }
  EXPECT_GT(equal, 0U);
}

TEST(Keys, DoNotDependOnTheOrderOfInsertion) {
  Random random(20261129);
  for (int i = 0; i < 500; ++i) {
    const auto ordered = Some<std::map<std::string, Part>>::make(random);
    std::vector<std::pair<std::string, Part>> pairs(ordered.begin(), ordered.end());
    std::shuffle(pairs.begin(), pairs.end(), random);
    std::unordered_map<std::string, Part> other(1 + below(random, 50));
    for (const auto& pair : pairs) other.insert(pair);
    EXPECT_EQ(key_of(ordered), key_of(other));
    const auto numbers = Some<std::set<std::int64_t>>::make(random);
    EXPECT_EQ(key_of(numbers),
              key_of(std::unordered_set<std::int64_t>(numbers.begin(), numbers.end())));
  }
}

TEST(Values, ComeBackAsTheyWere) {
  Random random(20261129);
  for (int i = 0; i < 2000; ++i) {
    const Deep value = Some<Deep>::make(random);
    EXPECT_EQ(dcache::decode<Deep>(dcache::encode(value)), value);
  }
}

TEST(Values, NeverReadAsAnotherTypeWithoutBeingRefusedOrEqual) {
  Random random(20261129);
  for (int i = 0; i < 2000; ++i) {
    const std::string bytes = dcache::encode(Some<Part>::make(random));
    const auto number = dcache::decode<std::int64_t>(bytes);
    const auto text = dcache::decode<std::string>(bytes);
    const auto real = dcache::decode<double>(bytes);
    EXPECT_LE((number ? 1 : 0) + (text ? 1 : 0) + (real ? 1 : 0), 1);
  }
}

}  // namespace
