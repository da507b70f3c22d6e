// SPDX-License-Identifier: MIT
#include "dcache/codec.hpp"

#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "support/hex.hpp"

namespace {

using namespace std::chrono_literals;
using dcache::decode;
using dcache::encode;
using support::hex;
using support::unhex;

enum class Colour : std::uint8_t { red, green };

struct Point {
  int x = 0;
  int y = 0;
  bool operator==(const Point&) const = default;
};

struct Order {
  std::string symbol;
  double price = 0;
  std::vector<Point> path;
  std::optional<std::string> note;
  std::map<std::string, std::int64_t> tags;
  bool operator==(const Order&) const = default;
};

// Refers to itself, through a vector.
struct Tree {
  std::string name;
  std::vector<Tree> children;
  bool operator==(const Tree&) const = default;
};

struct Money {
  explicit Money(std::int64_t amount = 0) : cents(amount) {}
  std::int64_t cents;
  bool operator==(const Money&) const = default;
};

}  // namespace

template <>
struct dcache::Codec<Money> {
  static void encode(Encoder& out, const Money& money) { out.integer(money.cents); }
  static bool decode(Decoder& in, Money& money) { return in.integer(money.cents); }
};

namespace {

template <class T>
void expect_round_trip(const T& value) {
  const std::string bytes = encode(value);
  const std::optional<T> back = decode<T>(bytes);
  ASSERT_TRUE(back.has_value()) << hex(bytes);
  EXPECT_EQ(*back, value) << hex(bytes);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode<T>(bytes.substr(0, size)).has_value()) << hex(bytes) << " cut to " << size;
  }
  EXPECT_FALSE(decode<T>(bytes + '\0').has_value()) << "with a byte too many";
}

template <class T>
std::string key_of(const T& value) {
  std::string bytes;
  dcache::Encoder(bytes, dcache::Encoder::Form::key).write(value);
  return hex(bytes);
}

TEST(Codec, GivesBackWhatItWasGiven) {
  expect_round_trip(true);
  for (const std::int64_t number :
       {std::int64_t{0}, std::int64_t{23}, std::int64_t{24}, std::int64_t{-1}, std::int64_t{-257},
        std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}) {
    expect_round_trip(number);
  }
  expect_round_trip(std::numeric_limits<std::uint64_t>::max());
  expect_round_trip(std::int8_t{-128});
  expect_round_trip(0.1);
  expect_round_trip(1.5F);
  expect_round_trip(std::numeric_limits<double>::infinity());
  expect_round_trip(std::string());
  expect_round_trip(std::string("gr\xC3\xBC\xC3\x9F dich"));
  expect_round_trip(std::string("\xFF\x00 no text", 10));
  expect_round_trip(std::vector<std::uint8_t>{0, 1, 255});
  expect_round_trip(std::vector<int>{1, -2, 300});
  expect_round_trip(std::vector<bool>{true, false});
  expect_round_trip(std::array<short, 3>{1, 2, 3});
  expect_round_trip(std::tuple(1, std::string("two"), 3.0));
  expect_round_trip(std::pair(Colour::green, std::vector<std::string>{"a", "b"}));
  expect_round_trip(std::map<std::string, int>{{"one", 1}, {"two", 2}});
  expect_round_trip(std::unordered_map<int, std::string>{{1, "one"}, {2, "two"}});
  expect_round_trip(std::set<int>{3, 1, 2});
  expect_round_trip(std::unordered_set<std::string>{"x", "y"});
  expect_round_trip(std::monostate());
}

TEST(Codec, KnowsThatNothingIsAValueToo) {
  expect_round_trip(std::optional<int>());
  expect_round_trip(std::optional(7));
  using Twice = std::optional<std::optional<int>>;
  expect_round_trip(Twice());
  expect_round_trip(Twice(std::optional<int>()));
  expect_round_trip(Twice(std::optional(7)));
  EXPECT_EQ(hex(encode(std::optional(7))), "07");
  EXPECT_EQ(hex(encode(std::optional<int>())), "f6");
}

TEST(Codec, FollowsPointersToWhatTheyOwn) {
  const auto shared =
      decode<std::shared_ptr<const Point>>(encode(std::make_shared<const Point>(Point{1, 2})));
  ASSERT_TRUE(shared.has_value());
  EXPECT_EQ(**shared, (Point{1, 2}));
  const auto unique =
      decode<std::unique_ptr<std::string>>(encode(std::make_unique<std::string>("a")));
  ASSERT_TRUE(unique.has_value());
  EXPECT_EQ(**unique, "a");
  const auto null = decode<std::shared_ptr<int>>(encode(std::shared_ptr<int>()));
  ASSERT_TRUE(null.has_value());
  EXPECT_EQ(*null, nullptr);
}

TEST(Codec, TellsTheAlternativesOfAVariantApart) {
  using Json = std::variant<std::monostate, bool, std::int64_t, double, std::string>;
  for (const Json& value : {Json(), Json(true), Json(std::int64_t{1}), Json(1.0), Json("1")}) {
    expect_round_trip(value);
  }
  EXPECT_EQ(hex(encode(Json(std::int64_t{1}))), "01") << "as it is, where it looks different";
  using Alike = std::variant<int, long, std::string>;
  expect_round_trip(Alike(1));
  expect_round_trip(Alike(1L));
  EXPECT_NE(encode(Alike(1)), encode(Alike(1L)));
}

TEST(Codec, TakesPlainAggregatesAsTuplesOfTheirMembers) {
  expect_round_trip(Point{1, -1});
  EXPECT_EQ(encode(Point{1, 2}), encode(std::tuple(1, 2)));
  expect_round_trip(Order{"ACME", 12.5, {{0, 0}, {1, 2}}, "late", {{"desk", 4}}});
  expect_round_trip(Tree{"root", {{"left", {}}, {"right", {{"leaf", {}}}}}});
  expect_round_trip(Colour::green);
}

struct Derived : Point {
  int z;
};
struct Buffered {
  Point before;
  char text[4];
  Point behind;
};

TEST(Codec, LeavesAggregatesAloneWhoseMembersItCannotTell) {
  EXPECT_TRUE(dcache::Encodable<Order>);
  EXPECT_FALSE(dcache::Encodable<Derived>);
  EXPECT_FALSE(dcache::Encodable<Buffered>);
}

TEST(Codec, IsWhereUsersAddTheirOwnTypes) {
  expect_round_trip(Money(499));
  expect_round_trip(std::vector<Money>{Money(1), Money(-2)});
}

TEST(Codec, WritesTimesAsPythonDoes) {
  expect_round_trip(std::chrono::milliseconds(-1500));
  expect_round_trip(90min);
  expect_round_trip(123ns);
  expect_round_trip(std::chrono::days(20'000));
  const std::chrono::sys_days day = std::chrono::year(2026) / 11 / 27;
  expect_round_trip(day);
  expect_round_trip(std::chrono::year_month_day(day));
  expect_round_trip(std::chrono::sys_time<std::chrono::nanoseconds>(day + 2h + 1ns));
  expect_round_trip(std::chrono::sys_time<std::chrono::microseconds>(day + 2h + 1us));
  expect_round_trip(std::chrono::sys_days(std::chrono::days(5'000'000)));
  expect_round_trip(std::chrono::sys_seconds(std::chrono::days(5'000'000)));
  EXPECT_EQ(hex(encode(day)), "d903ec6a323032362d31312d3237") << "1004(\"2026-11-27\")";
  EXPECT_EQ(hex(encode(90s)), "d9dca68300185a00") << "timedelta(seconds=90)";
}

TEST(Codec, RefusesATimeThatTheTypeCannotHold) {
  EXPECT_EQ(decode<std::chrono::seconds>(encode(1500ms)), std::nullopt);
  EXPECT_EQ(decode<std::chrono::nanoseconds>(encode(std::chrono::days(200'000'000))), std::nullopt);
  EXPECT_EQ((decode<std::chrono::duration<std::int8_t>>(encode(128s))), std::nullopt);
}

TEST(Codec, RefusesEverythingThatIsNotExactlyTheType) {
  EXPECT_EQ(decode<int>(encode(std::string("1"))), std::nullopt);
  EXPECT_EQ(decode<int>(encode(1.0)), std::nullopt);
  EXPECT_EQ(decode<int>(encode(true)), std::nullopt);
  EXPECT_EQ(decode<bool>(encode(1)), std::nullopt);
  EXPECT_EQ(decode<double>(encode(1)), std::nullopt);
  EXPECT_EQ(decode<std::int8_t>(encode(128)), std::nullopt);
  EXPECT_EQ(decode<std::uint64_t>(encode(-1)), std::nullopt);
  EXPECT_EQ(decode<std::int64_t>(encode(std::uint64_t{1} << 63U)), std::nullopt);
  EXPECT_EQ(decode<float>(encode(0.1)), std::nullopt);
  EXPECT_EQ(decode<std::string>(encode(std::vector<std::uint8_t>{65})), std::nullopt);
  EXPECT_EQ((decode<std::array<int, 2>>(encode(std::vector<int>{1}))), std::nullopt);
  EXPECT_EQ(decode<std::vector<int>>(encode(std::set<int>{1})), std::nullopt);
  EXPECT_EQ((decode<std::tuple<int, int>>(encode(std::vector<int>{1, 2}))), std::nullopt);
  EXPECT_EQ((decode<Point>(encode(std::tuple(1, 2, 3)))), std::nullopt) << "a member was removed";
}

TEST(Codec, RefusesAKeyThatComesTwice) {
  EXPECT_EQ((decode<std::map<int, int>>(unhex("a201020103"))), std::nullopt);
  EXPECT_EQ((decode<std::set<int>>(unhex("d90102820101"))), std::nullopt);
}

TEST(Codec, BelievesNoCountThatTheBytesCannotHold) {
  EXPECT_EQ(decode<std::vector<int>>(unhex("9bffffffffffffffff")), std::nullopt);
  EXPECT_EQ(decode<std::vector<int>>(unhex("9a7fffffff00")), std::nullopt);
  EXPECT_EQ(decode<std::string>(unhex("7b7fffffffffffffff41")), std::nullopt);
}

TEST(Codec, RefusesNestingWithoutEnd) {
  std::string bytes;
  for (int i = 0; i < 100'000; ++i) bytes += unhex("d9dca0826081");
  EXPECT_EQ(decode<Tree>(bytes), std::nullopt);
}

TEST(Codec, GivesAKeyOneForm) {
  EXPECT_EQ(key_of(1.5), "f93e00") << "floats as short as they can be";
  EXPECT_EQ(key_of(std::map<std::string, int>{{"bb", 1}, {"c", 2}}),
            "a2616302626262"
            "01");
  std::unordered_set<int> many;
  for (int i = 100; i > 0; --i) many.insert(i);
  EXPECT_EQ(key_of(many), key_of(std::set<int>(many.begin(), many.end())));
  EXPECT_EQ(key_of(std::nan("1")), key_of(std::nan("2")));
  EXPECT_NE(key_of(0.0), key_of(-0.0));
}

}  // namespace
