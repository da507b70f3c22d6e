// SPDX-License-Identifier: MIT
#include "dcache/engine/cbor.hpp"

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/hex.hpp"

namespace {

namespace cbor = dcache::engine::cbor;

using support::hex;

template <class Append>
std::string written(Append&& append) {
  std::string out;
  append(out);
  return hex(out);
}

// RFC 8949, appendix A.
TEST(CborOfTheRfc, Integers) {
  const std::vector<std::pair<std::int64_t, const char*>> vectors = {
      {0, "00"},
      {1, "01"},
      {10, "0a"},
      {23, "17"},
      {24, "1818"},
      {25, "1819"},
      {100, "1864"},
      {1000, "1903e8"},
      {1000000, "1a000f4240"},
      {1000000000000, "1b000000e8d4a51000"},
      {-1, "20"},
      {-10, "29"},
      {-100, "3863"},
      {-1000, "3903e7"},
      {std::numeric_limits<std::int64_t>::min(), "3b7fffffffffffffff"}};
  for (const auto& [value, bytes] : vectors) {
    EXPECT_EQ(written([&](auto& out) { cbor::append_int(out, value); }), bytes) << value;
  }
}

TEST(CborOfTheRfc, NumbersBeyond64Bits) {
  const std::array<unsigned char, 9> beyond = {1, 0, 0, 0, 0, 0, 0, 0, 0};
  const std::array<unsigned char, 9> within = {0, 255, 255, 255, 255, 255, 255, 255, 255};
  const auto of = [](bool negative, const auto& magnitude) {
    return written([&](auto& out) { cbor::append_bignum(out, negative, magnitude); });
  };
  EXPECT_EQ(of(false, beyond), "c249010000000000000000");
  EXPECT_EQ(of(true, beyond), "c349010000000000000000");
  EXPECT_EQ(of(false, within), "1bffffffffffffffff");
  EXPECT_EQ(of(true, within), "3bffffffffffffffff");
  EXPECT_EQ(of(false, std::array<unsigned char, 0>{}), "00");
}

TEST(CborOfTheRfc, Floats) {
  const std::vector<std::pair<double, const char*>> vectors = {
      {0.0, "f90000"},
      {-0.0, "f98000"},
      {1.0, "f93c00"},
      {1.1, "fb3ff199999999999a"},
      {1.5, "f93e00"},
      {65504.0, "f97bff"},
      {100000.0, "fa47c35000"},
      {3.4028234663852886e+38, "fa7f7fffff"},
      {1.0e+300, "fb7e37e43c8800759c"},
      {5.960464477539063e-8, "f90001"},
      {0.00006103515625, "f90400"},
      {-4.0, "f9c400"},
      {-4.1, "fbc010666666666666"},
      {std::numeric_limits<double>::infinity(), "f97c00"},
      {-std::numeric_limits<double>::infinity(), "f9fc00"},
      {std::numeric_limits<double>::quiet_NaN(), "f97e00"},
      {-std::nan("7"), "f97e00"}};
  for (const auto& [value, bytes] : vectors) {
    EXPECT_EQ(written([&](auto& out) { cbor::append_double(out, value); }), bytes) << value;
  }
}

TEST(CborOfTheRfc, TextBytesAndTheRest) {
  EXPECT_EQ(written([](auto& out) { cbor::append_text(out, ""); }), "60");
  EXPECT_EQ(written([](auto& out) { cbor::append_text(out, "IETF"); }), "6449455446");
  EXPECT_EQ(written([](auto& out) { cbor::append_text(out, "\xc3\xbc"); }), "62c3bc");
  EXPECT_EQ(written([](auto& out) { cbor::append_bytes(out, "\x01\x02\x03\x04"); }), "4401020304");
  EXPECT_EQ(written([](auto& out) { cbor::append_bool(out, false); }), "f4");
  EXPECT_EQ(written([](auto& out) { cbor::append_bool(out, true); }), "f5");
  EXPECT_EQ(written([](auto& out) { cbor::append_null(out); }), "f6");
  EXPECT_EQ(written([](auto& out) { cbor::append_tag(out, 32); }), "d820");
  EXPECT_EQ(written([](auto& out) { cbor::append_head(out, cbor::Major::array, 25); }), "9819");
  EXPECT_EQ(written([](auto& out) { cbor::append_head(out, cbor::Major::map, 0); }), "a0");
}

TEST(CborOfTheRfc, ArraysMapsAndTags) {
  const auto head = [](std::string& out, cbor::Major major, std::uint64_t value) {
    cbor::append_head(out, major, value);
  };
  EXPECT_EQ(written([&](auto& out) {  // [1, [2, 3], [4, 5]]
              head(out, cbor::Major::array, 3);
              cbor::append_int(out, 1);
              for (const int first : {2, 4}) {
                head(out, cbor::Major::array, 2);
                cbor::append_int(out, first);
                cbor::append_int(out, first + 1);
              }
            }),
            "8301820203820405");
  EXPECT_EQ(written([&](auto& out) {  // {"a": 1, "b": [2, 3]}
              head(out, cbor::Major::map, 2);
              cbor::append_text(out, "a");
              cbor::append_int(out, 1);
              cbor::append_text(out, "b");
              head(out, cbor::Major::array, 2);
              cbor::append_int(out, 2);
              cbor::append_int(out, 3);
            }),
            "a26161016162820203");
  EXPECT_EQ(written([](auto& out) {  // 1(1363896240.5)
              cbor::append_tag(out, 1);
              cbor::append_double(out, 1363896240.5);
            }),
            "c1fb41d452d9ec200000");
  EXPECT_EQ(written([](auto& out) {  // 23(h'01020304')
              cbor::append_tag(out, 23);
              cbor::append_bytes(out, "\x01\x02\x03\x04");
            }),
            "d74401020304");
}

TEST(Cbor, AHeadIsAsShortAsItsValueAllows) {
  const std::vector<std::pair<std::uint64_t, const char*>> bounds = {
      {23, "97"},
      {24, "9818"},
      {0xFF, "98ff"},
      {0x100, "990100"},
      {0xFFFF, "99ffff"},
      {0x10000, "9a00010000"},
      {0xFFFFFFFF, "9affffffff"},
      {0x100000000, "9b0000000100000000"},
      {0xFFFFFFFFFFFFFFFF, "9bffffffffffffffff"}};
  for (const auto& [value, bytes] : bounds) {
    EXPECT_EQ(written([&](auto& out) { cbor::append_head(out, cbor::Major::array, value); }), bytes)
        << value;
  }
}

// Each half, the infinities and NaNs aside, is what it was made of.
TEST(Cbor, EveryHalfIsWrittenAsAHalf) {
  for (unsigned bits = 0; bits < 0x7C00; ++bits) {
    const int exponent = static_cast<int>(bits >> 10U);
    const auto fraction = static_cast<double>(bits & 0x3FFU);
    const double value =
        exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(fraction + 1024.0, exponent - 25);
    std::string expected = "\xF9";
    expected += static_cast<char>(bits >> 8U);
    expected += static_cast<char>(bits & 0xFFU);
    std::string out;
    cbor::append_double(out, value);
    ASSERT_EQ(hex(out), hex(expected)) << value;
  }
}

TEST(Cbor, ItemsAreOrderedByTheirBytes) {
  std::string out = "head";
  std::vector<std::size_t> ends = {out.size()};
  for (const char* item : {"zz", "a", "", "mmm", "ab"}) {
    out += item;
    ends.push_back(out.size());
  }
  cbor::sort_items(out, ends);
  EXPECT_EQ(out, "headaabmmmzz");
  cbor::sort_items(out, {});
  EXPECT_EQ(out, "headaabmmmzz");
}

// Not by their lengths first, as in RFC 7049: 100 (1864) comes before -1 (20).
TEST(Cbor, AShorterItemDoesNotComeFirst) {
  std::string out;
  std::vector<std::size_t> ends = {0};
  for (const int key : {-1, 100, 10}) {
    cbor::append_int(out, key);
    ends.push_back(out.size());
  }
  cbor::sort_items(out, ends);
  EXPECT_EQ(hex(out), "0a186420");
}

// A float next to the border between two widths keeps its value.
TEST(Cbor, AFloatLosesNothing) {
  const std::vector<std::pair<double, const char*>> bounds = {
      {65504.0, "f97bff"},
      {65505.0, "fa477fe100"},
      {std::ldexp(1.0, -24), "f90001"},
      {std::ldexp(1.0, -25), "fa33000000"},
      {std::ldexp(1.0, -149), "fa00000001"},
      {std::ldexp(1.0, -150), "fb3690000000000000"},
      {5e-324, "fb0000000000000001"},
      {1.0e+39, "fb48078287f49c4a1d"},
      {std::numeric_limits<double>::max(), "fb7fefffffffffffff"}};
  for (const auto& [value, bytes] : bounds) {
    EXPECT_EQ(written([&](auto& out) { cbor::append_double(out, value); }), bytes) << value;
  }
}

}  // namespace
