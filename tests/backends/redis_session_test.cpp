// SPDX-License-Identifier: MIT
// How a connection to a Redis begins, and where its replies end: bytes in, bytes out, no socket.
#include <chrono>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "backends/redis/session.hpp"
#include "wire/resp.hpp"

namespace {

using dcache::redis::Login;
using dcache::redis::Protocol;
using Greeting = dcache::net::Session::Greeting;
using What = dcache::net::Reading::What;

constexpr std::string_view hello = "%1\r\n$5\r\nproto\r\n:3\r\n", ok = "+OK\r\n";
constexpr std::string_view unknown = "-ERR unknown command 'HELLO', with args beginning with:\r\n";

std::string commands(std::initializer_list<std::initializer_list<std::string_view>> all) {
  std::string text;
  for (const auto& each : all) dcache::resp::append_command(text, each);
  return text;
}

// One side of a connection: what the server sends, and what is said to it.
class RedisSession : public testing::Test {
 protected:
  explicit RedisSession(Login login = {}) : protocol_(std::move(login), note()) {}

  Greeting hear(std::string_view bytes) {
    heard_ += bytes;
    std::size_t used = 0;
    said_.clear();
    const Greeting greeting = session_->greet(heard_, used, said_);
    heard_.erase(0, used);
    return greeting;
  }
  Protocol::Wake note() {
    return [this](std::string_view name) { changed_.emplace_back(name); };
  }
  void log_in_as(const std::string& user, const std::string& password, unsigned db) {
    const Login login{user, password, db};
    logged_in_ = std::make_unique<Protocol>(login, note());
    session_ = logged_in_->open();
  }

  std::vector<std::string> changed_;
  Protocol protocol_;
  std::unique_ptr<Protocol> logged_in_;
  std::unique_ptr<dcache::net::Session> session_ = protocol_.open();
  std::string heard_, said_;
};

TEST_F(RedisSession, SaysAllOfItsGreetingAtOnce) {
  log_in_as("app", "secret", 3);
  EXPECT_EQ(hear(""), Greeting::more);
  EXPECT_EQ(said_, commands({{"HELLO", "3", "AUTH", "app", "secret", "SETNAME", "dcache"},
                             {"CLIENT", "TRACKING", "ON", "OPTIN"},
                             {"SELECT", "3"}}));
  EXPECT_EQ(hear(std::string(hello) + std::string(ok)), Greeting::more);
  EXPECT_EQ(hear(ok), Greeting::done);
  EXPECT_TRUE(logged_in_->tells_changes());
}

TEST_F(RedisSession, TakesAPasswordAloneForTheDefaultUsers) {
  log_in_as("", "secret", 0);
  hear("");
  EXPECT_EQ(said_, commands({{"HELLO", "3", "AUTH", "default", "secret", "SETNAME", "dcache"},
                             {"CLIENT", "TRACKING", "ON", "OPTIN"}}));
}

// What was said behind the HELLO was said without a login: its replies count for nothing.
TEST_F(RedisSession, FallsBackToResp2) {
  for (const std::string_view refusal : {unknown, std::string_view("-NOPROTO sorry\r\n")}) {
    log_in_as("app", "secret", 3);
    heard_.clear();
    hear("");
    EXPECT_EQ(hear(refusal), Greeting::more);
    EXPECT_EQ(
        said_,
        commands({{"AUTH", "app", "secret"}, {"CLIENT", "SETNAME", "dcache"}, {"SELECT", "3"}}));
    EXPECT_EQ(hear("-NOAUTH Authentication required.\r\n-NOAUTH Authentication required.\r\n"),
              Greeting::more);
    EXPECT_EQ(hear("+OK\r\n-NOPERM no client|setname\r\n"), Greeting::more);
    EXPECT_EQ(hear(ok), Greeting::done);
    EXPECT_FALSE(logged_in_->tells_changes()) << "pushes are of RESP3";
  }
}

TEST_F(RedisSession, MissesAPasswordWithoutResp3AsWell) {
  hear("");
  hear(unknown);
  EXPECT_EQ(hear("-NOAUTH Authentication required.\r\n"), Greeting::failed);
  EXPECT_EQ(said_, "it wants a password, and none was given");
  EXPECT_FALSE(protocol_.may_recover());
}

TEST_F(RedisSession, SaysWhatIsRefusedAndWhetherThatMayChange) {
  struct Refusal {
    std::string_view said;
    bool may_recover;
  };
  for (const Refusal refusal : {Refusal{"WRONGPASS invalid username-password pair", false},
                                Refusal{"LOADING Redis is loading", true},
                                Refusal{"ERR max number of clients reached", true}}) {
    log_in_as("app", "secret", 0);
    heard_.clear();
    hear("");
    EXPECT_EQ(hear('-' + std::string(refusal.said) + "\r\n"), Greeting::failed);
    EXPECT_EQ(said_, refusal.said);
    EXPECT_EQ(logged_in_->may_recover(), refusal.may_recover) << refusal.said;
  }
}

TEST_F(RedisSession, RefusesADatabaseThatIsNotThere) {
  log_in_as("", "", 99);
  hear("");
  hear(hello);
  hear(ok);
  EXPECT_EQ(hear("-ERR DB index is out of range\r\n"), Greeting::failed);
  EXPECT_FALSE(logged_in_->may_recover());
}

TEST_F(RedisSession, DoesWithoutBeingToldOfChanges) {
  hear("");
  hear(hello);
  EXPECT_EQ(hear("-NOPERM no client|tracking\r\n"), Greeting::done);
  EXPECT_FALSE(protocol_.tells_changes());
}

TEST_F(RedisSession, ReadsAGreetingHoweverItIsCut) {
  const std::string push = ">2\r\n+invalidate\r\n_\r\n";
  const std::string all = push + std::string(hello) + push + std::string(ok);
  hear("");
  for (std::size_t at = 0; at + 1 < all.size(); ++at) {
    ASSERT_EQ(hear(std::string_view(all).substr(at, 1)), Greeting::more) << at;
  }
  EXPECT_EQ(hear(all.substr(all.size() - 1)), Greeting::done);
}

TEST_F(RedisSession, KnowsWhoIsNoRedis) {
  hear("");
  EXPECT_EQ(hear("HTTP/1.1 400 Bad Request\r\n"), Greeting::failed);
  EXPECT_EQ(said_, "it does not speak Redis's protocol: it sent a reply of an unknown type");
}

TEST_F(RedisSession, PassesOnWhichNamesHaveChanged) {
  const std::string_view pushes =
      ">2\r\n$10\r\ninvalidate\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n"
      ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nd\r\n>0\r\n>1\r\n:1\r\n"
      ">2\r\n$10\r\ninvalidate\r\n_\r\n";
  std::string_view rest = pushes;
  while (!rest.empty()) {
    const dcache::net::Reading reading = session_->read(rest, nullptr);
    ASSERT_EQ(reading.what, What::push);
    session_->pushed();
    rest.remove_prefix(reading.used);
  }
  EXPECT_EQ(changed_, (std::vector<std::string>{"a", "b", ""})) << "empty: maybe all of them";
  session_->closed("gone");
  EXPECT_EQ(changed_.size(), 4U) << "what changed meanwhile nobody knows";
}

TEST_F(RedisSession, TakesNoReplyThatNobodyAskedFor) {
  const dcache::net::Reading reading = session_->read("+OK\r\n", nullptr);
  EXPECT_EQ(reading.what, What::malformed);
  EXPECT_EQ(reading.why, "it sent a reply to nothing: OK");
}

}  // namespace
