// SPDX-License-Identifier: MIT
#include "wire/resp.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/resp.hpp"

namespace {

using dcache::resp::depth_max;
using dcache::resp::Kind;
using dcache::resp::Limits;
using dcache::resp::Parser;
using dcache::test::read_in_pieces;
using dcache::test::shown;
using namespace std::string_literals;

struct Vector {
  std::string bytes;
  std::string reply;
};

// The examples of the two specifications, and the corners between them.
std::vector<Vector> vectors() {
  return {
      {"+OK\r\n", "+OK"},
      {"+\r\n", "+"},
      {"-Error message\r\n", "-Error message"},
      {"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
       "-WRONGTYPE Operation against a key holding the wrong kind of value"},
      {":0\r\n", "0"},
      {":1000\r\n", "1000"},
      {":+7\r\n", "7"},
      {":-9223372036854775808\r\n", "-9223372036854775808"},
      {"$5\r\nhello\r\n", "\"hello\""},
      {"$0\r\n\r\n", "\"\""},
      {"$4\r\n\r\n\r\n\r\n", "\"\r\n\r\n\""},
      {"$3\r\n\0\xFF\n\r\n"s, "\"\0\xFF\n\""s},
      {"$-1\r\n", "null"},
      {"*-1\r\n", "null"},
      {"*0\r\n", "[]"},
      {"*2\r\n$5\r\nhello\r\n$5\r\nworld\r\n", R"(["hello", "world"])"},
      {"*3\r\n:1\r\n:2\r\n:3\r\n", "[1, 2, 3]"},
      {"*5\r\n:1\r\n:2\r\n:3\r\n:4\r\n$5\r\nhello\r\n", R"([1, 2, 3, 4, "hello"])"},
      {"*2\r\n*3\r\n:1\r\n:2\r\n:3\r\n*2\r\n+Hello\r\n-World\r\n", "[[1, 2, 3], [+Hello, -World]]"},
      {"*3\r\n$5\r\nhello\r\n$-1\r\n$5\r\nworld\r\n", R"(["hello", null, "world"])"},
      {"_\r\n", "null"},
      {"#t\r\n", "true"},
      {"#f\r\n", "false"},
      {",1.23\r\n", ",1.23"},
      {",10\r\n", ",10"},
      {",-1.5e-30\r\n", ",-1.5e-30"},
      {",inf\r\n", ",inf"},
      {",-inf\r\n", ",-inf"},
      {",nan\r\n", ",nan"},
      {",1e999\r\n", ",1e999"},
      {"(3492890328409238509324850943850943825024385\r\n",
       "(3492890328409238509324850943850943825024385"},
      {"(-12\r\n", "(-12"},
      {"!21\r\nSYNTAX invalid syntax\r\n", "-SYNTAX invalid syntax"},
      {"=15\r\ntxt:Some string\r\n", "=txt:Some string"},
      {"%2\r\n+first\r\n:1\r\n+second\r\n:2\r\n", "{+first, 1, +second, 2]"},
      {"%0\r\n", "{]"},
      {"~5\r\n+orange\r\n+apple\r\n#t\r\n:100\r\n:999\r\n", "~+orange, +apple, true, 100, 999]"},
      {">4\r\n+pubsub\r\n+message\r\n+somechannel\r\n+this is the message\r\n",
       ">+pubsub, +message, +somechannel, +this is the message]"},
      {">2\r\n$10\r\ninvalidate\r\n*1\r\n$3\r\nkey\r\n", R"(>"invalidate", ["key"]])"},
      {">2\r\n$10\r\ninvalidate\r\n_\r\n", R"(>"invalidate", null])"},
      // Attributes are dropped, wherever they are.
      {"|1\r\n+key-popularity\r\n%2\r\n$1\r\na\r\n,0.1923\r\n$1\r\nb\r\n,0.0012\r\n"
       "*2\r\n:2039123\r\n:9543892\r\n",
       "[2039123, 9543892]"},
      {"*3\r\n:1\r\n:2\r\n|1\r\n+ttl\r\n:3600\r\n:3\r\n", "[1, 2, 3]"},
      {"|0\r\n|1\r\n+a\r\n|1\r\n+b\r\n+c\r\n+d\r\n$1\r\nx\r\n", "\"x\""},
      {"*2\r\n*0\r\n*1\r\n*0\r\n", "[[], [[]]]"},
  };
}

TEST(Resp, ReadsTheExamplesOfItsSpecification) {
  for (const auto& [bytes, reply] : vectors()) {
    EXPECT_EQ(read_in_pieces(bytes, bytes.size()), reply + ' ') << bytes;
  }
}

TEST(Resp, ReadsTheSameHoweverTheBytesAreCut) {
  for (const auto& [bytes, reply] : vectors()) {
    for (std::size_t piece = 1; piece < bytes.size(); ++piece) {
      EXPECT_EQ(read_in_pieces(bytes, piece), reply + ' ') << bytes << " in pieces of " << piece;
    }
  }
}

TEST(Resp, WaitsAtEveryPrefixAndGoesOnWithTheRest) {
  for (const auto& [bytes, reply] : vectors()) {
    for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
      Parser parser;
      std::string_view first(bytes.data(), cut), rest = std::string_view(bytes).substr(cut);
      ASSERT_EQ(parser.read(first), Parser::State::more) << bytes << " cut at " << cut;
      EXPECT_TRUE(first.empty());
      EXPECT_TRUE(parser.within());
      ASSERT_EQ(parser.read(rest), Parser::State::whole) << bytes << " cut at " << cut;
      EXPECT_TRUE(rest.empty());
      EXPECT_FALSE(parser.within());
      EXPECT_EQ(shown(parser.reply()), reply);
    }
  }
}

TEST(Resp, TakesNoByteOfTheNextReply) {
  std::string all, replies;
  for (const auto& [bytes, reply] : vectors()) {
    all += bytes;
    replies += reply + ' ';
  }
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, all.size()}) {
    EXPECT_EQ(read_in_pieces(all, piece), replies);
  }
}

TEST(Resp, NamesWhatIsMalformed) {
  const std::vector<Vector> malformed = {
      {"HTTP/1.1 400 Bad Request\r\n", "!a reply of an unknown type"},
      {"\r\n", "!a reply of an unknown type"},
      {"\0"s, "!a reply of an unknown type"},
      {"+OK\n", "!a line that does not end with CR LF"},
      {"+O\rK\r\n", "!a line that does not end with CR LF"},
      {":\r\n", "!something else than a number"},
      {":+-1\r\n", "!something else than a number"},
      {": 1\r\n", "!something else than a number"},
      {":9223372036854775808\r\n", "!something else than a number"},
      {"_x\r\n", "!something else than a number"},
      {"#x\r\n", "!something else than a number"},
      {"#\r\n", "!something else than a number"},
      {",one\r\n", "!something else than a number"},
      {",\r\n", "!something else than a number"},
      {"(1.5\r\n", "!something else than a number"},
      {"(-\r\n", "!something else than a number"},
      {"$x\r\n", "!a length that is none"},
      {"$\r\n", "!a length that is none"},
      {"$-2\r\n", "!a length that is none"},
      {"$99999999999999999999\r\n", "!a length that is none"},
      {"!-1\r\n", "!a length that is none"},
      {"*-2\r\n", "!a length that is none"},
      {"%-1\r\n", "!a length that is none"},
      {">-1\r\n", "!a length that is none"},
      {"$1\r\nab\r\n", "!no CR LF after a bulk"},
      {"$1\r\na\n", "!no CR LF after a bulk"},
      {"=3\r\ntxt\r\n", "!a verbatim string without its form"},
      {"=5\r\ntext:\r\n", "!a verbatim string without its form"},
      {"*1\r\n>1\r\n+x\r\n", "!a push within another reply"},
      {"$?\r\n", "!a streamed reply"},
      {"*?\r\n", "!a streamed reply"},
      {"%?\r\n", "!a streamed reply"},
  };
  for (const auto& [bytes, fault] : malformed) {
    EXPECT_EQ(read_in_pieces(bytes, bytes.size()), fault) << bytes;
    EXPECT_EQ(read_in_pieces(bytes, 1), fault) << bytes;
  }
}

TEST(Resp, ReadsNothingAfterAFault) {
  Parser parser;
  std::string_view bytes = "?\r\n+OK\r\n";
  EXPECT_EQ(parser.read(bytes), Parser::State::fault);
  std::string_view fine = "+OK\r\n";
  EXPECT_EQ(parser.read(fine), Parser::State::fault);
  EXPECT_EQ(fine, "+OK\r\n");
}

TEST(Resp, HoldsRepliesToTheirBounds) {
  Limits limits;
  limits.bytes = 100;
  limits.line = 50;
  limits.elements = 10;
  const auto read = [&](const std::string& bytes) {
    return read_in_pieces(bytes, bytes.size(), limits);
  };
  EXPECT_EQ(read("$101\r\n"), "!a reply that is too large");
  EXPECT_EQ(read("$9223372036854775807\r\n"), "!a reply that is too large");
  EXPECT_EQ(read("*2\r\n$60\r\n" + std::string(60, 'x') + "\r\n$60\r\n"),
            "!a reply that is too large");
  EXPECT_EQ(read('+' + std::string(50, 'x')), "!a reply that is too large");
  EXPECT_EQ(read("*10\r\n"), "...") << "its head and ten elements are one too many, but not yet";
  EXPECT_EQ(read("*11\r\n"), "!a reply of too many elements");
  EXPECT_EQ(read("%6\r\n"), "!a reply of too many elements");
  EXPECT_EQ(read("%9223372036854775807\r\n"), "!a reply of too many elements");
  std::string attributes;
  for (int i = 0; i < 11; ++i) attributes += "|0\r\n";
  EXPECT_EQ(read(attributes), "!a reply of too many elements") << "attributes without end";
}

TEST(Resp, GoesOnlySoDeep) {
  std::string nested;
  for (std::size_t i = 0; i < depth_max; ++i) nested += "*1\r\n";
  EXPECT_EQ(read_in_pieces(nested + ":1\r\n", 1),
            std::string(depth_max, '[') + '1' + std::string(depth_max, ']') + ' ');
  EXPECT_EQ(read_in_pieces(nested + "*1\r\n", 1), "!a reply that is too deep");
}

TEST(Resp, TakesNoMemoryForBytesThatAreOnlyAnnounced) {
  Parser parser;
  std::string_view head = "$536870912\r\nabc";
  EXPECT_EQ(parser.read(head), Parser::State::more);
  EXPECT_LE(parser.reply().take_text().capacity(), std::size_t{64} << 10U);
  Parser other;
  std::string_view many = "*1000000\r\n";
  EXPECT_EQ(other.read(many), Parser::State::more);
  EXPECT_LE(other.reply().nodes().capacity(), 16U);
}

TEST(Resp, HandsALargeBulkOutWithoutCopyingItAgain) {
  const std::string value(std::size_t{4} << 20U, 'v');
  const std::string bytes = "$" + std::to_string(value.size()) + "\r\n" + value + "\r\n";
  Parser parser;
  std::string_view rest = bytes;
  ASSERT_EQ(parser.read(rest), Parser::State::whole);
  const char* const where = parser.reply().text().data();
  const std::string taken = parser.reply().take_text();
  EXPECT_EQ(taken.data(), where);
  EXPECT_EQ(taken, value);
  EXPECT_LT(taken.capacity(), value.size() + 64) << "and there is no room left over";
}

TEST(Resp, FindsItsWayAmongNestedElements) {
  Parser parser;
  std::string_view bytes = "*3\r\n*2\r\n:1\r\n%1\r\n+a\r\n+b\r\n$1\r\nx\r\n:3\r\n";
  ASSERT_EQ(parser.read(bytes), Parser::State::whole);
  const auto& reply = parser.reply();
  const std::size_t second = reply.next(1), third = reply.next(second);
  EXPECT_EQ(reply.text(reply.nodes()[second]), "x");
  EXPECT_EQ(reply.nodes()[third].number, 3);
  EXPECT_EQ(reply.next(0), reply.nodes().size());
}

TEST(Resp, WritesCommandsAsArraysOfBulks) {
  std::string out = "before";
  dcache::resp::append_command(out, {"SET", "key", "\r\n"});
  EXPECT_EQ(out, "before*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$2\r\n\r\n\r\n");
  out.clear();
  dcache::resp::append_head(out, 2);
  dcache::resp::append_word(out, "PX");
  dcache::resp::append_word(out, std::int64_t{-9223372036854775807} - 1);
  EXPECT_EQ(out, "*2\r\n$2\r\nPX\r\n$20\r\n-9223372036854775808\r\n");
}

TEST(Resp, ReadsItsOwnCommands) {
  std::string every;
  for (int byte = 0; byte < 256; ++byte) every += static_cast<char>(byte);
  std::string out;
  dcache::resp::append_command(out, {"SET", "", every});
  EXPECT_EQ(read_in_pieces(out, 3), "[\"SET\", \"\", \"" + every + "\"] ");
}

}  // namespace
