// SPDX-License-Identifier: MIT
// What an operation says to a Redis and makes of its replies, on a plain socket.
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/redis_client.hpp"
#include "support/redis_server.hpp"

#include "backends/redis/exchange.hpp"
#include "backends/redis/names.hpp"

namespace {

using namespace std::chrono_literals;
using dcache::engine::Item;
using dcache::engine::Op;
using dcache::engine::Ref;
using dcache::engine::Reply;
using dcache::engine::Verb;
using dcache::engine::WallTime;
using dcache::redis::Exchange;
using dcache::redis::HeldLeases;
using dcache::redis::Message;
using dcache::redis::record_name;
using dcache::redis::Terms;
using dcache::test::Flavour;
using dcache::test::RedisClient;
using dcache::test::RedisServer;

WallTime in(std::chrono::nanoseconds span) {
  return dcache::engine::wall_now() + dcache::engine::microseconds(span);
}

// A process that asks the server.
class Asker {
 public:
  explicit Asker(const RedisServer& server, std::chrono::nanoseconds lease = 10s)
      : terms("redis", lease), client_(server.socket()) {}

  Ref<Op> ask(Verb verb, std::vector<Item> items, bool abandoned = false) {
    const auto op = dcache::engine::make_ref<Op>(verb, std::move(items),
                                                 std::chrono::steady_clock::now() + 10s);
    if (abandoned) op->abandon();
    run(op);
    return op;
  }
  Item one(Verb verb, const std::string& key, std::string value = "", std::uint64_t token = 0,
           WallTime expires = in(1h), bool kills = false) {
    std::vector<Item> items(1);
    items[0].key = key;
    items[0].value = std::move(value);
    items[0].token = token;
    items[0].expires = expires;
    items[0].kills = kills;
    const Ref<Op> op = ask(verb, std::move(items));
    EXPECT_EQ(op->trouble(), "");
    return op->items[0];
  }

  Terms terms;
  int rounds = 0;

 private:
  void run(const Ref<Op>& op) {
    Exchange exchange(op, terms);
    do {
      const Message message = exchange.write();
      ++rounds;
      if (message.head.empty()) break;
      client_.send(message.head);
      client_.send(message.body);
      client_.send(message.tail);
      while (!exchange.take(client_.receive())) {
      }
    } while (exchange.again());
    if (const Ref<Op> more = exchange.finish()) run(more);
  }

  RedisClient client_;
};

class RedisExchange : public testing::TestWithParam<Flavour> {
 protected:
  void SetUp() override {
    if (!server_ || flavour_ != GetParam()) {
      server_ = std::make_unique<RedisServer>(dcache::test::RedisOptions{.flavour = GetParam()});
      flavour_ = GetParam();
    }
    server_->ask({"FLUSHALL"});
  }
  static void TearDownTestSuite() { server_.reset(); }
  static RedisServer& server() { return *server_; }

 private:
  static inline std::unique_ptr<RedisServer> server_;
  static inline Flavour flavour_ = Flavour::redis;
};

INSTANTIATE_TEST_SUITE_P(On, RedisExchange, testing::Values(Flavour::redis, Flavour::valkey),
                         [](const auto& one) { return std::string(name_of(one.param)); });

TEST(RedisNames, PutTheDigestInBraces) {
  EXPECT_EQ(record_name("shop:quote:abc"), "shop:quote:{abc}");
  EXPECT_EQ(record_name("abc"), "{abc}");
  EXPECT_EQ(record_name("a:"), "{a:}");
}

TEST_P(RedisExchange, AsksAScriptThatIsNotKnownAgainWithItsText) {
  server().ask({"SCRIPT", "FLUSH"});
  Asker asker(server());
  EXPECT_EQ(asker.one(Verb::put, "a:b", "value").reply, Reply::done);
  EXPECT_EQ(asker.rounds, 2);
  EXPECT_EQ(asker.one(Verb::put, "a:c", "value").reply, Reply::done);
  EXPECT_EQ(asker.rounds, 3) << "now it is known";
}

TEST_P(RedisExchange, AsksOnlyThoseItemsAgainWhoseScriptWasNotKnown) {
  server().ask({"SCRIPT", "FLUSH"});
  Asker asker(server());
  std::vector<Item> items(3);
  for (std::size_t i = 0; i < items.size(); ++i) {
    items[i].key = "k:" + std::to_string(i);
    items[i].value = std::string(10'000, static_cast<char>('a' + i));
  }
  const Ref<Op> stored = asker.ask(Verb::put, items);
  for (const Item& item : stored->items) EXPECT_EQ(item.reply, Reply::done);
  for (Item& item : items) item.value.clear();
  const auto found = asker.ask(Verb::get, items);
  EXPECT_EQ(found->items[2].value, std::string(10'000, 'c'));
}

TEST_P(RedisExchange, SendsALargeValueFromWhereItLies) {
  Asker asker(server());
  const std::string value(1'000'000, 'v');
  const auto op = dcache::engine::make_op(Verb::put, "a:b", std::chrono::steady_clock::now() + 1s);
  op->items[0].value = value;
  Exchange exchange(op, asker.terms);
  const Message message = exchange.write();
  EXPECT_EQ(message.body.data(), op->items[0].value.data());
  EXPECT_LT(message.head.size() + message.tail.size(), 300U);
  EXPECT_EQ(asker.one(Verb::put, "a:b", value).reply, Reply::done);
  EXPECT_EQ(asker.one(Verb::get, "a:b").value, value);
}

TEST_P(RedisExchange, GivesRecordsAnExpiryAndMarksNone) {
  Asker asker(server());
  asker.one(Verb::put, "a:record", "value", 0, in(1h));
  asker.one(Verb::add, "a:mark", "value", 0, dcache::engine::no_end);
  asker.one(Verb::put, "a:past", "value", 0, 1);
  EXPECT_GT(std::stol(server().ask({"PTTL", "a:{record}"})), 3'500'000);
  EXPECT_EQ(server().ask({"PTTL", "a:{mark}"}), "-1");
  EXPECT_NE(server().ask({"PTTL", "a:{past}"}), "-1");
}

TEST_P(RedisExchange, TakesForeignTypesForNothing) {
  server().ask({"RPUSH", "a:{record}", "x"});
  server().ask({"RPUSH", "a:{record}:w", "x"});
  server().ask({"RPUSH", "a:{record}:l", "x"});
  Asker asker(server());
  EXPECT_EQ(asker.one(Verb::get, "a:record").reply, Reply::missing);
  const Item lease = asker.one(Verb::lease, "a:record");
  ASSERT_EQ(lease.reply, Reply::done);
  EXPECT_EQ(asker.one(Verb::fill, "a:record", "value", lease.token).reply, Reply::done);
  EXPECT_EQ(asker.one(Verb::get, "a:record").value, "value");

  server().ask({"RPUSH", "a:{mark}", "x"});
  EXPECT_EQ(asker.one(Verb::add, "a:mark", "mark").reply, Reply::done);
  server().ask({"SET", "a:{other}:w", "garbage"});
  server().ask({"SET", "a:{other}:l", "garbage"});
  EXPECT_EQ(asker.one(Verb::lease, "a:other").reply, Reply::done);
}

TEST_P(RedisExchange, FreesALeaseWhoseHolderHasDied) {
  Asker one(server(), 100ms), other(server(), 100ms);
  EXPECT_EQ(one.one(Verb::lease, "a:b").reply, Reply::done);
  EXPECT_EQ(other.one(Verb::lease, "a:b").reply, Reply::busy);
  std::this_thread::sleep_for(150ms);
  EXPECT_EQ(other.one(Verb::lease, "a:b").reply, Reply::done);
}

TEST_P(RedisExchange, RenewsALeaseForAsLongAsItIsHeld) {
  Asker one(server(), 300ms), other(server(), 300ms);
  const Item lease = one.one(Verb::lease, "a:b");
  RedisClient client(server().socket());
  for (int turn = 0; turn < 6; ++turn) {
    std::this_thread::sleep_for(110ms);
    const auto due = one.terms.leases.due(std::chrono::steady_clock::now());
    ASSERT_EQ(due.size(), 1U);
    client.send(renewal(due, one.terms));
    EXPECT_EQ(client.receive().number(), 1);
  }
  EXPECT_EQ(other.one(Verb::lease, "a:b").reply, Reply::busy);
  one.one(Verb::release, "a:b", "", lease.token);
  EXPECT_TRUE(one.terms.leases.empty());
  EXPECT_EQ(other.one(Verb::lease, "a:b").reply, Reply::done);
}

TEST_P(RedisExchange, GivesWhatHasComeInPlaceOfALease) {
  Asker one(server()), other(server());
  Item item;
  item.key = "a:b";
  item.looks = true;
  const auto look = [&](Asker& asker, const std::string& seen) {
    item.value = seen;
    return asker.ask(Verb::lease, {item})->items[0];
  };
  const Item lease = look(one, "");
  ASSERT_EQ(lease.reply, Reply::done) << "nothing is there";
  const Item busy = look(other, "");
  EXPECT_EQ(busy.reply, Reply::busy);
  EXPECT_EQ(busy.token, lease.token) << "who has waited enough may compute and fill, too";
  one.one(Verb::fill, "a:b", "value", lease.token);
  const Item found = look(other, "");
  EXPECT_EQ(found.reply, Reply::found);
  EXPECT_EQ(found.value, "value");
  EXPECT_TRUE(other.terms.leases.empty());
  EXPECT_EQ(server().ask({"EXISTS", "a:{b}:l"}), "0") << "nobody has to end it";
  EXPECT_EQ(look(other, "lue").reply, Reply::done) << "that has been seen, and is of no use";
  EXPECT_EQ(look(one, "other").reply, Reply::found);
  EXPECT_EQ(look(one, "lue").reply, Reply::busy);
}

TEST_P(RedisExchange, LetsWhoHasALeaseHaveItTwice) {
  Asker one(server()), other(server());
  const Item first = one.one(Verb::lease, "a:b"), second = one.one(Verb::lease, "a:b");
  EXPECT_EQ(second.reply, Reply::done);
  EXPECT_EQ(first.token, second.token);
  one.one(Verb::release, "a:b", "", first.token);
  EXPECT_EQ(other.one(Verb::lease, "a:b").reply, Reply::busy) << "one of them has it still";
  one.one(Verb::release, "a:b", "", second.token);
  EXPECT_EQ(other.one(Verb::lease, "a:b").reply, Reply::done);
}

TEST_P(RedisExchange, GivesALeaseBackThatCameTooLate) {
  Asker one(server()), other(server());
  std::vector<Item> items(1);
  items[0].key = "a:b";
  one.ask(Verb::lease, items, true);
  EXPECT_TRUE(one.terms.leases.empty());
  EXPECT_EQ(other.one(Verb::lease, "a:b").reply, Reply::done);
}

TEST_P(RedisExchange, FillsWithAWatchAloneUnlessItWasInvalidated) {
  Asker one(server()), other(server());
  const Item watch = one.one(Verb::watch, "a:b"), same = other.one(Verb::watch, "a:b");
  EXPECT_EQ(watch.token, same.token);
  EXPECT_EQ(other.one(Verb::fill, "a:b", "other", same.token).reply, Reply::done);
  EXPECT_EQ(one.one(Verb::fill, "a:b", "one", watch.token).reply, Reply::done)
      << "a fill without `kills` leaves the others alive";
  other.one(Verb::erase, "a:b");
  EXPECT_EQ(one.one(Verb::fill, "a:b", "late", watch.token).reply, Reply::refused);
  EXPECT_EQ(other.one(Verb::get, "a:b").reply, Reply::missing);
}

TEST_P(RedisExchange, KillsOtherTokensByAFillThatSaysSo) {
  Asker one(server()), other(server());
  const Item watch = one.one(Verb::watch, "a:b"), same = other.one(Verb::watch, "a:b");
  EXPECT_EQ(other.one(Verb::fill, "a:b", "new", same.token, in(1h), true).reply, Reply::done);
  EXPECT_EQ(one.one(Verb::fill, "a:b", "old", watch.token).reply, Reply::refused);
  EXPECT_EQ(one.one(Verb::get, "a:b").value, "new");
}

TEST_P(RedisExchange, LeavesNothingBesideARecordForLong) {
  Asker asker(server());
  const Item lease = asker.one(Verb::lease, "a:b");
  asker.one(Verb::fill, "a:b", "value", lease.token);
  EXPECT_EQ(server().ask({"EXISTS", "a:{b}:l"}), "0");
  EXPECT_LE(std::stol(server().ask({"PTTL", "a:{b}:w"})), 60'000);
  asker.one(Verb::erase, "a:b");
  EXPECT_EQ(server().ask({"DBSIZE"}), "0");
}

TEST_P(RedisExchange, SaysThatAFullStoreRefusesAWriteAndEndsTheLease) {
  Asker asker(server());
  const Item lease = asker.one(Verb::lease, "a:b");
  server().ask({"CONFIG", "SET", "maxmemory", "1"});
  std::vector<Item> items(1);
  items[0].key = "a:b";
  items[0].value = "value";
  items[0].token = lease.token;
  const Ref<Op> op = asker.ask(Verb::fill, items);
  server().ask({"CONFIG", "SET", "maxmemory", "0"});
  EXPECT_NE(op->trouble().find("OOM"), std::string::npos) << op->trouble();
  EXPECT_TRUE(op->reachable());
  EXPECT_EQ(server().ask({"EXISTS", "a:{b}", "a:{b}:l"}), "0");
}

TEST_P(RedisExchange, TakesNoForeignReplyForALease) {
  for (const std::string_view reply :
       {":1\r\n", "*0\r\n", "*1\r\n$1\r\nx\r\n", "%1\r\n+a\r\n+b\r\n", "+OK\r\n", "_\r\n"}) {
    for (const Verb verb : {Verb::lease, Verb::watch}) {
      Terms terms("redis", 10s);
      std::vector<Item> items(1);
      items[0].key = "a:b";
      const auto op = dcache::engine::make_ref<Op>(verb, std::move(items),
                                                   std::chrono::steady_clock::now() + 10s);
      Exchange exchange(op, terms);
      exchange.write();
      dcache::resp::Parser parser;
      std::string_view bytes = reply;
      ASSERT_EQ(parser.read(bytes), dcache::resp::Parser::State::whole);
      EXPECT_TRUE(exchange.take(parser.reply()));
      exchange.finish();
      EXPECT_EQ(op->trouble(), "redis: it answers a script with something else") << reply;
      EXPECT_TRUE(terms.leases.empty());
    }
  }
}

TEST_P(RedisExchange, SaysThatItDoesNotFollowACluster) {
  EXPECT_EQ(dcache::redis::trouble_of("MOVED 3999 127.0.0.1:6381"),
            "it is part of a cluster, which is not supported yet: MOVED 3999 127.0.0.1:6381");
}

TEST_P(RedisExchange, RepeatsNothingThatItSentInAnError) {
  EXPECT_EQ(dcache::redis::trouble_of(
                "ERR unknown command `HELLO`, with args beginning with: `3` `secret`"),
            "it does not know the command HELLO");
  EXPECT_EQ(dcache::redis::trouble_of("ERR unknown command `secret`, with args"),
            "it does not know a command of ours");
  EXPECT_EQ(dcache::redis::trouble_of("ERR unknown command HELLO, with args `SECRET`"),
            "it does not know a command of ours");
  EXPECT_EQ(dcache::redis::trouble_of("OOM command not allowed\n"), "OOM command not allowed?");
}

}  // namespace
