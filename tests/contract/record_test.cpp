// SPDX-License-Identifier: MIT
#include "dcache/engine/record.hpp"

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "dcache/engine/cbor.hpp"
#include "dcache/error.hpp"
#include "support/hex.hpp"

namespace {

using dcache::engine::append_record;
using dcache::engine::Mark;
using dcache::engine::name_of;
using dcache::engine::no_end;
using dcache::engine::Record;
using dcache::engine::RecordFault;
using dcache::engine::RecordKey;
using dcache::engine::RecordOptions;
using dcache::engine::RecordReader;
using dcache::engine::RecordTimes;
using dcache::engine::Signer;
using support::hex;
using support::unhex;

constexpr RecordKey quote{"shop:quote:abc",
                          "\x83\x65quote\xF6\x81\x64"
                          "ACME"};
constexpr RecordKey other{"shop:quote:def",
                          "\x83\x65quote\xF6\x81\x64"
                          "EMCA"};
constexpr RecordTimes times{1'700'000'000'000'000, 1'700'000'600'000'000, no_end, 1234};
constexpr Mark mark{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

std::string written(std::string_view payload, const RecordOptions& options = {},
                    const RecordKey& key = quote) {
  std::string out;
  EXPECT_TRUE(append_record(out, key, times, "dcache", std::vector<Mark>{mark}, payload, options));
  return out;
}

RecordFault fault_of(std::string_view bytes, const RecordOptions& options = {},
                     const RecordKey& key = quote) {
  RecordReader reader;
  Record record;
  return reader.read(bytes, key, options, record);
}

void expect_back(std::string_view bytes, std::string_view payload,
                 const RecordOptions& options = {}) {
  RecordReader reader;
  Record record;
  ASSERT_EQ(reader.read(bytes, quote, options, record), RecordFault::none);
  EXPECT_EQ(record.payload, payload);
  EXPECT_EQ(record.codec, "dcache");
  EXPECT_EQ(record.marks, std::vector<Mark>{mark});
  EXPECT_EQ(record.times.created, times.created);
  EXPECT_EQ(record.times.fresh_until, times.fresh_until);
  EXPECT_EQ(record.times.usable_until, no_end);
  EXPECT_EQ(record.times.cost, times.cost);
}

std::string repetitive(std::size_t size) {
  std::string text;
  while (text.size() < size) text += "the same again, ";
  text.resize(size);
  return text;
}

TEST(Record, GivesBackWhatWasPutIn) {
  for (const std::size_t size : {0U, 1U, 100U, 4095U, 4096U, 1'000'000U}) {
    const std::string payload = repetitive(size);
    expect_back(written(payload), payload);
  }
}

TEST(Record, IsPinnedByteByByte) {
  EXPECT_EQ(hex(written("\x01")),
            "8b01"  // Eleven fields, of version 1:
            "1b00060a24181e4000"
            "1b00060a243be18600"  // created, fresh until,
            "f6"
            "1904d2"                          // without an end, cost,
            "4e836571756f7465f6816441434d45"  // key,
            "66646361636865"
            "f6"                                    // codec, not compressed,
            "81500102030405060708090a0b0c0d0e0f10"  // one mark,
            "4101"
            "1b7d339dd1afbd80e4")  // payload, checksum.
      << "what other versions wrote could not be read any more";
}

TEST(Record, CompressesWhatIsLargeAndGetsSmaller) {
  const std::string payload = repetitive(100'000);
  const std::string bytes = written(payload);
  EXPECT_LT(bytes.size(), payload.size() / 10);
  expect_back(bytes, payload);

  std::string noise;
  std::uint64_t state = 1;
  for (int i = 0; i < 100'000; ++i) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    noise += static_cast<char>(state >> 56U);
  }
  EXPECT_GT(written(noise).size(), noise.size()) << "as it is, for it would not get smaller";
  expect_back(written(noise), noise);

  RecordOptions never;
  never.compress_from = 0;
  EXPECT_GT(written(payload, never).size(), payload.size());
}

TEST(Record, TellsDamageOfEveryBit) {
  for (const std::string& bytes : {written("a payload"), written(repetitive(5000))}) {
    for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      std::string flipped = bytes;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
      EXPECT_NE(fault_of(flipped), RecordFault::none) << bit;
    }
  }
}

TEST(Record, TellsThatItWasCutShort) {
  const std::string bytes = written("a payload");
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(fault_of(bytes.substr(0, size)), RecordFault::truncated) << size;
  }
}

TEST(Record, RefusesOtherPeoplesBytes) {
  for (const std::string bytes : {"hello", "{\"a\": 1}", "\x80\x04K\x01.", "\x8B\x01\xFF"}) {
    EXPECT_NE(fault_of(bytes), RecordFault::none) << bytes;
  }
  EXPECT_EQ(fault_of(written("a payload") + "x"), RecordFault::malformed);
}

TEST(Record, RefusesTheFuture) {
  std::string bytes = written("a payload");
  bytes[1] = 2;
  EXPECT_EQ(fault_of(bytes), RecordFault::future_version);
  EXPECT_EQ(fault_of(unhex("8218ff01")), RecordFault::future_version)
      << "however many fields it will have";
}

TEST(Record, RefusesAnotherCallsRecord) {
  // Under the very key, as when two calls have one digest: only the key check can tell.
  const RecordKey collision{quote.text, other.canonical};
  EXPECT_EQ(fault_of(written("a payload", {}, collision)), RecordFault::other_key);
  EXPECT_EQ(fault_of(written("a payload", {}, other)), RecordFault::damaged)
      << "copied from another key: the checksum covers it";
}

TEST(Record, ChecksLongKeysByTheirDigest) {
  const std::string longer = repetitive(10'000);
  const std::string another = longer.substr(0, longer.size() - 1) + "!";
  const RecordKey key{quote.text, longer};
  const std::string bytes = written("a payload", {}, key);
  EXPECT_LT(bytes.size(), 300U);
  EXPECT_EQ(fault_of(bytes, {}, key), RecordFault::none);
  EXPECT_EQ(fault_of(bytes, {}, RecordKey{quote.text, another}), RecordFault::other_key);
}

TEST(Record, IsBounded) {
  RecordOptions small;
  small.bytes_max = 1000;
  std::string out = "before";
  EXPECT_FALSE(append_record(out, quote, times, "dcache", {}, repetitive(1001), small));
  EXPECT_EQ(out, "before");
  EXPECT_EQ(fault_of(written(repetitive(2000)), small), RecordFault::oversized);
  EXPECT_EQ(fault_of(written(repetitive(100'000)), small), RecordFault::oversized)
      << "as it would be when it is not compressed any more";
}

// A record that says of its payload what `compression` says, with a checksum that is right.
std::string forged(const std::string& compression, std::string_view payload) {
  namespace cbor = dcache::engine::cbor;
  std::string bytes = written("");
  bytes.resize(bytes.find("dcache") + 6);
  bytes += compression;
  cbor::append_head(bytes, cbor::Major::array, 0);
  cbor::append_bytes(bytes, payload);
  cbor::append_head(bytes, cbor::Major::natural, dcache::engine::checksum({bytes, quote.text}));
  return bytes;
}

TEST(Record, RefusesABomb) {
  const std::string packed = "\x82\x64zstd";
  EXPECT_EQ(fault_of(forged(packed + unhex("1b0000100000000000"), "x")), RecordFault::oversized);
  EXPECT_EQ(fault_of(forged(packed + unhex("1903e8"), "x")), RecordFault::bad_compression);
  EXPECT_EQ(fault_of(forged("\x82\x65"
                            "zstd9\x05",
                            "x")),
            RecordFault::bad_compression);
  // 4 GB of zeros in a frame that says it is 10 bytes, or one that does not say: never unpacked.
  EXPECT_EQ(fault_of(forged(packed + "\x0A", unhex("28b52ffd200a"))), RecordFault::bad_compression);
}

TEST(Record, IsSignedWhereThereIsASecret) {
  const Signer signer("0123456789abcdef");
  const Signer stranger("fedcba9876543210");
  RecordOptions ours;
  ours.signer = &signer;
  RecordOptions theirs;
  theirs.signer = &stranger;
  const std::string bytes = written("a payload", ours);
  expect_back(bytes, "a payload", ours);
  EXPECT_EQ(fault_of(bytes, theirs), RecordFault::badly_signed);
  EXPECT_EQ(fault_of(bytes), RecordFault::badly_signed) << "nobody here can tell";
  EXPECT_EQ(fault_of(written("a payload"), ours), RecordFault::not_signed);
  EXPECT_EQ(fault_of(written("a payload", ours, other), ours), RecordFault::badly_signed)
      << "replayed under another key";
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::string changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    EXPECT_NE(fault_of(changed, ours), RecordFault::none) << at;
  }
}

TEST(Record, RefusesASecretThatCanBeGuessed) {
  EXPECT_THROW(Signer("secret"), dcache::ConfigError);
}

TEST(Record, HasANameForEachFault) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < dcache::engine::record_faults; ++i) {
    names.insert(name_of(static_cast<RecordFault>(i)));
  }
  EXPECT_EQ(names.size(), dcache::engine::record_faults);
  EXPECT_EQ(names.count(""), 0U);
}

}  // namespace
