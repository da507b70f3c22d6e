// SPDX-License-Identifier: MIT
// Invented, damaged and cut replies: a parser reads them as what they were, or names a fault, the
// same however they are cut, and takes no more memory than their bytes vouch for.
#include <cstdint>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "support/damage.hpp"
#include "support/resp.hpp"

namespace {

using dcache::resp::depth_max;
using dcache::resp::Parser;
using dcache::test::Damage;
using dcache::test::shown;

// Bytes, and what they say.
class Inventor {
 public:
  explicit Inventor(Damage& damage) : damage_(damage) {}

  std::string bytes, said;

  void reply(std::size_t depth = 0) {
    if (damage_.below(12) == 0 && depth + 1 < depth_max) attribute(depth);
    const std::size_t kinds = depth < 6 ? 12 : 8;
    switch (damage_.below(kinds)) {
      case 0:
        return line("+", text(false), "+");
      case 1:
        return line("-", text(false), "-");
      case 2:
        return line(":", std::to_string(static_cast<std::int64_t>(damage_.below(~0ULL))), "");
      case 3: {
        bytes += damage_.below(2) == 0 ? "_\r\n" : damage_.below(2) == 0 ? "$-1\r\n" : "*-1\r\n";
        said += "null";
        return;
      }
      case 4: {
        const bool yes = damage_.below(2) == 0;
        bytes += yes ? "#t\r\n" : "#f\r\n";
        said += yes ? "true" : "false";
        return;
      }
      case 5:
        return line("(", std::to_string(damage_.below(~0ULL)) + std::to_string(damage_.below(10)),
                    "(");
      case 6:
        return line(",", std::to_string(static_cast<double>(damage_.below(1000)) / 8), ",");
      case 7:
        return bulk();
      case 8:
        return elements('*', '[', 1, depth);
      case 9:
        return elements('%', '{', 2, depth);
      case 10:
        return elements('~', '~', 1, depth);
      default:
        return depth == 0 ? elements('>', '>', 1, depth) : bulk();
    }
  }

 private:
  std::string text(bool any) {
    std::string all(damage_.below(damage_.below(20) == 0 ? 300 : 12), ' ');
    for (char& letter : all) {
      letter = static_cast<char>(any ? damage_.below(256) : ' ' + damage_.below(90));
    }
    return all;
  }
  void line(const std::string& type, const std::string& text, const std::string& sign) {
    bytes += type + text + "\r\n";
    said += sign + text;
  }
  void bulk() {
    const std::string what = text(true);
    bytes += '$' + std::to_string(what.size()) + "\r\n" + what + "\r\n";
    said += '"' + what + '"';
  }
  void elements(char type, char sign, std::size_t each, std::size_t depth) {
    const std::size_t count = damage_.below(5);
    bytes += type + std::to_string(count) + "\r\n";
    said += sign;
    for (std::size_t i = 0; i < count * each; ++i) {
      if (i > 0) said += ", ";
      reply(depth + 1);
    }
    said += ']';
  }
  void attribute(std::size_t depth) {
    const std::string before = said;
    bytes += "|1\r\n";
    reply(depth + 7);
    reply(depth + 7);
    said = before;
  }

  Damage& damage_;
};

// All that a parser says of the bytes, in pieces that chance cuts.
class Read {
 public:
  Read(std::string_view bytes, Damage* cut) {
    const std::size_t all = bytes.size();
    while (!bytes.empty() && state_ != Parser::State::fault) {
      std::string_view part =
          cut == nullptr ? bytes : bytes.substr(0, 1 + cut->below(bytes.size()));
      const std::size_t before = part.size();
      state_ = parser_.read(part);
      bytes.remove_prefix(before - part.size());
      if (state_ == Parser::State::whole) said += shown(parser_.reply()) + ' ';
      const std::size_t nodes = parser_.reply().nodes().capacity();
      modest = modest && nodes <= 2 * all + 8;
    }
    if (state_ == Parser::State::fault) said += dcache::resp::name_of(parser_.fault());
    if (parser_.within()) said += "...";
    modest = modest && parser_.reply().take_text().capacity() <= 8 * all + (64U << 10U);
  }

  std::string said;
  bool modest = true;

 private:
  Parser parser_;
  Parser::State state_ = Parser::State::more;
};

TEST(Fuzz, Replies) {
  const std::uint64_t inputs = dcache::test::fuzz_inputs();
  const std::uint64_t seed = dcache::test::fuzz_seed();
  RecordProperty("seed", std::to_string(seed));
  Damage damage(seed);
  std::uint64_t faults = 0;
  for (std::uint64_t i = 0; i < inputs; ++i) {
    Inventor inventor(damage);
    inventor.reply();
    const bool whole = i % 4 == 0;
    const std::string bytes = whole ? inventor.bytes : damage.of(inventor.bytes);
    const Read at_once(bytes, nullptr), cut(bytes, &damage);
    ASSERT_EQ(at_once.said, cut.said) << "seed " << seed << ", input " << i << ": " << bytes;
    ASSERT_TRUE(at_once.modest && cut.modest) << "seed " << seed << ", input " << i;
    if (whole) {
      ASSERT_EQ(at_once.said, inventor.said + ' ') << "seed " << seed << ", input " << i;
    }
    faults += at_once.said.ends_with('.') || at_once.said.ends_with(' ') ? 0 : 1;
  }
  EXPECT_GT(faults, inputs / 10) << "damage is seldom harmless";
}

}  // namespace
