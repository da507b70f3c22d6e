// SPDX-License-Identifier: MIT
// Damaged and invented records and values: whatever the bytes are, reading them is a fault or a
// value, and nothing else. DCACHE_FUZZ_INPUTS says how many are tried, DCACHE_FUZZ_SEED from where.
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "dcache/codec.hpp"
#include "dcache/engine/record.hpp"

namespace {

using dcache::engine::append_record;
using dcache::engine::Record;
using dcache::engine::RecordFault;
using dcache::engine::RecordKey;
using dcache::engine::RecordOptions;
using dcache::engine::RecordReader;
using dcache::engine::Signer;

struct Tree {
  std::string name;
  std::vector<Tree> children;
};
using Json = std::variant<std::monostate, bool, std::int64_t, double, std::string>;
using Mixed = std::tuple<std::map<std::string, Json>, std::vector<std::optional<double>>, Tree,
                         std::chrono::nanoseconds, std::chrono::sys_seconds>;

#ifdef DCACHE_FUZZ_FEW
constexpr std::uint64_t inputs_by_default = 200'000;
std::uint64_t seed_by_default() { return 20261129; }
#else
constexpr std::uint64_t inputs_by_default = 10'000'000;
std::uint64_t seed_by_default() { return std::random_device{}(); }
#endif

std::uint64_t number_of(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

class Damage {
 public:
  explicit Damage(std::uint64_t seed) : random_(seed) {}

  std::size_t below(std::size_t bound) { return random_() % bound; }

  /// Changes, removes, repeats or adds a few bytes.
  std::string of(std::string bytes) {
    for (std::size_t times = 1 + below(4); times > 0; --times) {
      const std::size_t at = below(bytes.size() + 1);
      switch (below(5)) {
        case 0:
          bytes.resize(at);
          break;
        case 1:
          bytes.insert(at, 1, static_cast<char>(below(256)));
          break;
        case 2:
          bytes.erase(at, below(4));
          break;
        case 3:
          bytes.insert(at, bytes.substr(below(bytes.size() + 1), below(16)));
          break;
        default:
          if (at < bytes.size()) bytes[at] = static_cast<char>(below(256));
      }
    }
    return bytes;
  }

 private:
  std::mt19937_64 random_;
};

TEST(Fuzz, RecordsAndValues) {
  const std::uint64_t inputs = number_of("DCACHE_FUZZ_INPUTS", inputs_by_default);
  const std::uint64_t seed = number_of("DCACHE_FUZZ_SEED", seed_by_default());
  RecordProperty("seed", std::to_string(seed));
  Damage damage(seed);

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
