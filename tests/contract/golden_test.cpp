// SPDX-License-Identifier: MIT
// The canonical bytes of keys, which are the same from C++ and from Python and never change.
#include <chrono>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <limits>
#include <map>
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

#include "dcache/codec.hpp"
#include "dcache/engine/far_key.hpp"
#include "dcache/error.hpp"
#include "support/hex.hpp"

namespace {

using namespace std::chrono_literals;
using support::hex;

template <class T>
std::string key_of(const T& value) {
  std::string bytes;
  dcache::Encoder(bytes, dcache::Encoder::Form::key).write(value);
  return hex(bytes);
}

using Bytes = std::vector<std::uint8_t>;
using Texts = std::map<std::string, int>;
constexpr double infinite = std::numeric_limits<double>::infinity();
constexpr std::chrono::sys_days day = std::chrono::year(2026) / 11 / 27;

/// By the Python expression of the same argument. What C++ has no type for is not here.
std::map<std::string, std::string> written_by_us() {
  using std::chrono::microseconds;
  using std::chrono::year;
  const std::optional<int> nothing;
  const std::variant<std::monostate, bool, std::int64_t, double, std::string> alternatives[] = {
      {}, true, std::int64_t{0}, 0.0, std::string()};
  return {
      {"None", key_of(nothing)},
      {"True", key_of(true)},
      {"False", key_of(false)},
      {"0", key_of(0)},
      {"1", key_of(std::uint8_t{1})},
      {"23", key_of(23L)},
      {"24", key_of(24U)},
      {"255", key_of(std::uint8_t{255})},
      {"256", key_of(std::int16_t{256})},
      {"65535", key_of(std::uint16_t{65535})},
      {"65536", key_of(65536)},
      {"4294967295", key_of(4294967295U)},
      {"4294967296", key_of(std::int64_t{4294967296})},
      {"9223372036854775807", key_of(std::numeric_limits<std::int64_t>::max())},
      {"9223372036854775808", key_of(std::uint64_t{1} << 63U)},
      {"18446744073709551615", key_of(std::numeric_limits<std::uint64_t>::max())},
      {"-1", key_of(std::int8_t{-1})},
      {"-24", key_of(-24)},
      {"-25", key_of(-25)},
      {"-256", key_of(-256)},
      {"-257", key_of(-257)},
      {"-9223372036854775808", key_of(std::numeric_limits<std::int64_t>::min())},
      {"0.0", key_of(0.0)},
      {"-0.0", key_of(-0.0F)},
      {"1.0", key_of(1.0F)},
      {"1.5", key_of(1.5)},
      {"0.1", key_of(0.1)},
      {"65504.0", key_of(65504.0)},
      {"100000.0", key_of(100000.0F)},
      {"1e308", key_of(1e308)},
      {"5e-324", key_of(5e-324)},
      {"inf", key_of(infinite)},
      {"-inf", key_of(-infinite)},
      {"nan", key_of(std::nan(""))},
      {"''", key_of(std::string())},
      {"'a'", key_of(std::string("a"))},
      {"'IETF'", key_of(std::string("IETF"))},
      {R"('gr\u00fc\u00df')", key_of(std::string("gr\xC3\xBC\xC3\x9F"))},
      {R"('\u65e5\u672c')", key_of(std::string("\xE6\x97\xA5\xE6\x9C\xAC"))},
      {R"('\U0001f600')", key_of(std::string("\xF0\x9F\x98\x80"))},
      {"'x' * 300", key_of(std::string(300, 'x'))},
      {"b''", key_of(Bytes())},
      {R"(b'\x00\xff')", key_of(Bytes{0, 255})},
      {"[]", key_of(std::vector<int>())},
      {"[1, 2, 3]", key_of(std::vector<int>{1, 2, 3})},
      {"[None, True, 0, 0.0, '']",
       key_of(std::vector(std::begin(alternatives), std::end(alternatives)))},
      {"()", key_of(std::tuple<>())},
      {"(1,)", key_of(std::tuple(1))},
      {"(1, 'two', 3.0)", key_of(std::tuple(1, std::string("two"), 3.0))},
      {"((1, 2), [3])", key_of(std::pair(std::pair(1, 2), std::vector<int>{3}))},
      {"{}", key_of(Texts())},
      {"{'a': 1}", key_of(Texts{{"a", 1}})},
      {"{'bb': 1, 'c': 2, 'a': 3}",
       key_of(std::unordered_map<std::string, int>{{"a", 3}, {"bb", 1}, {"c", 2}})},
      {"{1: 'one', 2: 'two'}", key_of(std::map<int, std::string>{{1, "one"}, {2, "two"}})},
      {"set()", key_of(std::set<int>())},
      {"{3, 1, 2}", key_of(std::unordered_set<int>{1, 2, 3})},
      {"{'b', 'a', 'ccc'}", key_of(std::set<std::string>{"a", "b", "ccc"})},
      {"date(2026, 11, 27)", key_of(day)},
      {"date(1, 1, 1)", key_of(year(1) / 1 / 1)},
      {"date(9999, 12, 31)", key_of(year(9999) / 12 / 31)},
      {"datetime(2026, 11, 27, 2, 30, tzinfo=utc)", key_of(std::chrono::sys_seconds(day + 150min))},
      {"datetime(2026, 11, 27, 2, 30, 0, 1, tzinfo=utc)",
       key_of(std::chrono::sys_time<std::chrono::nanoseconds>(day + 150min + 1us))},
      {"datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=utc)",
       key_of(std::chrono::sys_time<microseconds>(microseconds(-1)))},
      {"timedelta(0)", key_of(0s)},
      {"timedelta(seconds=90)", key_of(90'000ms)},
      {"timedelta(days=-1, microseconds=1)", key_of(microseconds(1) - 24h)},
  };
}

std::map<std::string, std::string> golden() {
  std::map<std::string, std::string> expected;
  std::ifstream file(DCACHE_GOLDEN_KEYS);
  for (std::string line; std::getline(file, line);) {
    const std::size_t blank = line.find(' ');
    if (line.starts_with('#') || blank == std::string::npos) continue;
    expected[line.substr(blank + 1)] = line.substr(0, blank);
  }
  return expected;
}

TEST(GoldenKeys, AreTheSameFromCppAndFromPython) {
  const auto expected = golden();
  ASSERT_GE(expected.size(), 60U);
  const auto ours = written_by_us();
  EXPECT_GE(ours.size(), 60U);
  for (const auto& [expression, bytes] : ours) {
    const auto found = expected.find(expression);
    ASSERT_NE(found, expected.end()) << expression;
    EXPECT_EQ(bytes, found->second) << expression;
  }
}

// What `name="quote", namespace="shop"` gives from Python for quote("ACME", 2).
TEST(FarKey, IsTheOneOfThePythonFunctionOfThatName) {
  std::string canonical = dcache::engine::canonical_prefix("quote", "");
  dcache::Encoder out(canonical, dcache::Encoder::Form::key);
  out.array(2);
  out.write(std::string("ACME"));
  out.write(2);
  const auto key = dcache::engine::far_key(dcache::engine::key_prefix("shop", "quote"), canonical);
  EXPECT_EQ(key.text, "shop:quote:mi6jfivxsp3vzvvteqxitbxxwzlukmpdnedu2oabaftig6bfnmva");
}

TEST(FarKey, WritesWhatAStoreWouldNotTakeAsUnderscores) {
  using dcache::engine::key_prefix;
  EXPECT_EQ(key_prefix("", "a module:f{1} \xC3\xBC"), "a_module:f_1___:");
  EXPECT_EQ(key_prefix("shop", std::string(200, 'x')), "shop:" + std::string(120, 'x') + ":");
  EXPECT_THROW(key_prefix("with blank", "f"), dcache::ConfigError);
  EXPECT_THROW(key_prefix(std::string(65, 'x'), "f"), dcache::ConfigError);
}

}  // namespace
