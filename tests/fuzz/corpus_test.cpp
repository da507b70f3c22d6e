// SPDX-License-Identifier: MIT
// The bytes that the searches kept: each is judged, and together they are every kind of bad.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "dcache/engine/record_fault.hpp"

#include "fuzz/judges.hpp"
#include "wire/resp.hpp"

namespace {

using dcache::test::Judge;
using dcache::test::judges;

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::set<std::string> verdicts_of(const Judge& judge) {
  std::set<std::string> verdicts;
  for (const auto& entry : std::filesystem::directory_iterator(DCACHE_CORPUS "/" + judge.name)) {
    const std::string bytes = bytes_of(entry.path());
    EXPECT_NO_THROW(verdicts.insert(judge.verdict(bytes))) << entry.path();
    // What a store or a network cuts off.
    EXPECT_NO_THROW(judge.verdict(std::string_view(bytes).substr(0, bytes.size() / 2)))
        << "half of " << entry.path();
  }
  return verdicts;
}

const Judge& judge_of(const std::string& name) {
  return *std::find_if(judges().begin(), judges().end(),
                       [&](const Judge& each) { return each.name == name; });
}

// Single words of verdicts.
std::set<std::string> words_of(const std::set<std::string>& verdicts) {
  std::set<std::string> words;
  for (const std::string& verdict : verdicts) {
    std::istringstream stream(verdict);
    words.insert(std::istream_iterator<std::string>(stream), {});
  }
  return words;
}

TEST(Corpus, HasEveryFaultOfARecord) {
  const auto found = words_of(verdicts_of(judge_of("record")));
  using Fault = dcache::engine::RecordFault;
  // Those of the value are told by whoever knows its type.
  const std::set<Fault> of_values = {Fault::unknown_codec, Fault::mismatch, Fault::too_deep};
  for (std::size_t i = 0; i < dcache::engine::record_faults; ++i) {
    const auto fault = static_cast<Fault>(i);
    if (of_values.contains(fault)) continue;
    EXPECT_TRUE(found.contains(std::string(name_of(fault)))) << name_of(fault);
  }
}

TEST(Corpus, HasValuesAndRefusals) {
  EXPECT_EQ(verdicts_of(judge_of("value")), (std::set<std::string>{"refused", "value"}));
}

TEST(Corpus, HasItemsOfEveryKind) {
  EXPECT_EQ(verdicts_of(judge_of("cbor")),
            (std::set<std::string>{"item", "item and more", "refused", "short"}));
}

TEST(Corpus, HasEveryFaultOfAReply) {
  const auto found = verdicts_of(judge_of("reply"));
  using dcache::resp::Fault;
  EXPECT_TRUE(found.contains("whole"));
  EXPECT_TRUE(found.contains("more"));
  for (std::size_t i = 1; i < dcache::resp::faults; ++i) {
    const std::string fault = name_of(static_cast<Fault>(i));
    EXPECT_TRUE(found.contains(fault)) << fault;
  }
}

TEST(Corpus, HasUrlsThatOpenAndThatDoNot) {
  EXPECT_EQ(verdicts_of(judge_of("url")),
            (std::set<std::string>{"duration", "no URL", "opened", "refused"}));
}

// The keys that the languages agree on are good CBOR.
TEST(Corpus, TakesTheGoldenKeys) {
  std::ifstream golden(DCACHE_GOLDEN_KEYS);
  std::string line;
  int keys = 0;
  while (std::getline(golden, line)) {
    if (line.empty() || line[0] == '#') continue;
    const std::string hex = line.substr(0, line.find(' '));
    std::string bytes;
    for (std::size_t i = 0; i < hex.size(); i += 2) {
      bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
    }
    EXPECT_EQ(judge_of("cbor").verdict(bytes), "item") << line;
    for (std::size_t end = 0; end < bytes.size(); ++end) {
      const std::string verdict = judge_of("cbor").verdict(bytes.substr(0, end));
      EXPECT_EQ(verdict, "short") << line << ", cut at " << end;
    }
    ++keys;
  }
  EXPECT_GE(keys, 60);
}

}  // namespace
