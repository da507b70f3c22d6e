// SPDX-License-Identifier: MIT
// Damaged and invented records and values: whatever the bytes are, reading them is a fault or a
// value, and nothing else.
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "dcache/codec.hpp"
#include "dcache/engine/record.hpp"
#include "support/damage.hpp"
#include "support/mixed.hpp"

namespace {

using dcache::engine::append_record;
using dcache::engine::Record;
using dcache::engine::RecordFault;
using dcache::engine::RecordKey;
using dcache::engine::RecordOptions;
using dcache::engine::RecordReader;
using dcache::engine::Signer;
using dcache::test::Mixed;

TEST(Fuzz, RecordsAndValues) {
  const std::uint64_t inputs = dcache::test::fuzz_inputs();
  const std::uint64_t seed = dcache::test::fuzz_seed();
  RecordProperty("seed", std::to_string(seed));
  dcache::test::Damage damage(seed);

  const RecordKey key{"shop:quote:abc",
                      "\x83\x65quote\xF6\x81\x64"
                      "ACME"};
  const Signer signer("0123456789abcdef");
  RecordOptions plain;
  plain.compress_from = 64;
  plain.bytes_max = 1U << 16U;
  RecordOptions secret = plain;
  secret.signer = &signer;

  Mixed mixed;
  std::get<0>(mixed) = {{"a", true}, {"b", std::int64_t{-7}}, {"c", "text"}, {"d", 0.5}};
  std::get<1>(mixed) = {1.0, std::nullopt, 2.5};
  std::get<2>(mixed) = {"root", {{"left", {}}, {"right", {{"leaf", {}}}}}};
  const std::string value = dcache::encode(mixed);
  std::vector<std::string> records(3);
  append_record(records[0], key, {}, "dcache", {}, value, plain);
  append_record(records[1], key, {}, "dcache", {}, std::string(1000, 'x'), plain);
  append_record(records[2], key, {}, "dcache", {}, value, secret);

  RecordReader reader;
  std::uint64_t believed = 0;
  for (std::uint64_t i = 0; i < inputs; ++i) {
    Record record;
    const std::string bytes = damage.of(records[i % records.size()]);
    const RecordOptions& options = i % 2 == 0 ? plain : secret;
    if (reader.read(bytes, key, options, record) == RecordFault::none) {
      ++believed;
      EXPECT_EQ(bytes, records[i % records.size()]) << "seed " << seed << ", input " << i;
    }
    const std::string damaged = damage.of(value);
    if (const auto decoded = dcache::decode<Mixed>(damaged)) {
      EXPECT_EQ(dcache::decode<Mixed>(dcache::encode(*decoded)).has_value(), true) << seed;
    }
  }
  EXPECT_LT(believed, inputs) << "damage that leaves all as it was is rare";
}

}  // namespace
