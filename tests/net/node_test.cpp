// SPDX-License-Identifier: MIT
#include "net/node.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <latch>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "dcache/error.hpp"
#include "support/child.hpp"
#include "support/folder.hpp"
#include "support/sanitized.hpp"
#include "support/threads.hpp"

#include "net/echo.hpp"
#include "net/looping.hpp"
#include "net/reactor.hpp"

namespace dcache::net {
namespace {

using engine::Ref;
using namespace test;  // NOLINT(google-build-using-namespace)

// A server, and a node with an I/O thread of its own.
struct Pair {
  explicit Pair(EchoServer::Options server_options = {})
      : server(std::make_unique<EchoServer>(std::move(server_options))) {
    options = server->options();
    options.reactor = &reactor;
    options.connect_timeout = 10s;
    options.patience = 10s;
  }
  /// Made when it is first asked for, after options were changed; by one thread.
  Node& node() {
    if (!made) made = std::make_unique<Node>(options, protocol);
    return *made;
  }

  std::unique_ptr<EchoServer> server;
  Reactor reactor{"net-test"};
  std::shared_ptr<EchoProtocol> protocol = std::make_shared<EchoProtocol>();
  NodeOptions options;
  std::unique_ptr<Node> made;
};

// --- Who drives ---

TEST(Node, ALoneCallerIsAnsweredWithoutAnyThreadOfOurs) {
  Pair pair;
  for (int i = 0; i < 1000; ++i) {
    const auto request = ask(pair.node(), "hello " + std::to_string(i));
    ASSERT_EQ(request->fault(), Fault::none) << request->why();
    ASSERT_EQ(request->reply, "hello " + std::to_string(i));
  }
  EXPECT_EQ(pair.reactor.threads(), 0U);
  EXPECT_EQ(pair.server->accepted(), 1);
  EXPECT_EQ(pair.node().stats().takeovers, 0U);
}

TEST(Node, WhoDoesNotWaitIsToldByTheIoThread) {
  Pair pair;
  std::atomic<int> told{0};
  std::vector<Ref<Echo>> requests;
  for (int i = 0; i < 100; ++i) {
    requests.push_back(echo(std::to_string(i)));
    requests.back()->when_done = [&](Echo&) { told.fetch_add(1); };
    pair.node().submit(requests.back(), Waiting::nobody);
  }
  EXPECT_TRUE(eventually([&] { return told == 100; }));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(requests[i]->reply, std::to_string(i));
  EXPECT_EQ(pair.reactor.threads(), 1U);
}

TEST(Node, ABatchOfRepliesEndsOnce) {
  Pair pair;
  pair.server->freeze(true);
  std::vector<Ref<Echo>> requests;
  std::atomic<int> told{0};
  for (int i = 0; i < 500; ++i) {
    requests.push_back(echo("x"));
    requests.back()->when_done = [&](Echo&) { told.fetch_add(1); };
    pair.node().submit(requests.back(), Waiting::nobody);
  }
  pair.server->freeze(false);
  EXPECT_TRUE(eventually([&] { return told == 500; }));
  EXPECT_TRUE(eventually([&] { return pair.protocol->batches > 0; }));
  EXPECT_LE(pair.protocol->batches, 100);
}

TEST(Node, LoadMakesTheIoThreadTakeOverAndItGivesBack) {
  Pair pair;
  Node& node = pair.node();
  // Threads that happen to run one after the other are no load.
  EXPECT_TRUE(eventually([&] {
    testing::run_together(16, [&](int number) {
      for (int i = 0; i < 200; ++i) {
        const std::string bytes = std::to_string(number) + ":" + std::to_string(i);
        const auto request = ask(node, bytes);
        EXPECT_EQ(request->reply, bytes) << request->why();
      }
    });
    return pair.node().stats().takeovers > 0;
  }));
  EXPECT_TRUE(
      eventually([&] { return pair.node().stats().give_backs == pair.node().stats().takeovers; }));
  const auto before = pair.node().stats().takeovers;
  EXPECT_EQ(ask(pair.node(), "alone")->reply, "alone");
  EXPECT_EQ(pair.node().stats().takeovers, before);
  EXPECT_EQ(pair.server->accepted(), 1);
}

TEST(Node, AnEventLoopDrivesWhatIsItsOwnWithoutAnyThreadOfOurs) {
  Pair pair;
  ask(pair.node(), "connects");
  Looping loop(pair.node());
  for (int round = 0; round < 50; ++round) {
    std::vector<Ref<Echo>> requests;
    for (int i = 0; i < 20; ++i) {
      requests.push_back(echo(std::to_string(100 * round + i)));
      loop.submit(requests.back());
    }
    loop.send();
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(loop.until(*requests[i]));
      ASSERT_EQ(requests[i]->reply, std::to_string(100 * round + i)) << requests[i]->why();
    }
  }
  EXPECT_LE(loop.turns, 50 * 20);
  EXPECT_EQ(pair.reactor.threads(), 0U);
  EXPECT_EQ(pair.node().stats().takeovers, 0U);
}

TEST(Node, TheIoThreadConnectsForAnEventLoopAndGivesItTheConnection) {
  Pair pair;
  Looping loop(pair.node());
  const auto first = echo("first");
  loop.submit(first);
  loop.send();
  EXPECT_FALSE(loop.watches());
  ASSERT_TRUE(loop.until(*first)) << first->why();
  EXPECT_TRUE(eventually([&] {
    const auto next = echo("next");
    loop.submit(next);
    loop.send();
    return loop.until(*next) && loop.watches();
  }));
  EXPECT_EQ(pair.server->accepted(), 1);
}

TEST(Node, AnEventLoopStepsAsideForOthersAndDrivesAgainOnceTheyAreQuiet) {
  Pair pair;
  ask(pair.node(), "connects");
  Looping loop(pair.node());
  pair.server->freeze(true);
  const auto own = echo("own");
  loop.submit(own);
  loop.send();
  EXPECT_TRUE(loop.watches());
  const auto others = echo("others");
  pair.node().submit(others, Waiting::nobody);
  pair.server->freeze(false);
  ASSERT_TRUE(eventually([&] { return own->completed() && others->completed(); }));
  EXPECT_EQ(own->reply, "own");
  EXPECT_EQ(others->reply, "others");
  EXPECT_EQ(loop.turns, 0);
  loop.turn(1ms);
  EXPECT_TRUE(eventually([&] {
    const auto next = echo("next");
    loop.submit(next);
    loop.send();
    return loop.until(*next) && loop.watches();
  }));
}

TEST(Node, AThreadThatBlocksReadsForAnEventLoopAsWell) {
  Pair pair;
  ask(pair.node(), "connects");
  Looping loop(pair.node());
  const auto own = echo("hang20");
  loop.submit(own);
  loop.send();
  EXPECT_EQ(ask(pair.node(), "thread")->reply, "thread");
  EXPECT_TRUE(own->completed());
  const auto slow = echo("hang50");
  loop.submit(slow);
  loop.send();
  const auto blocked = echo("hang20");
  pair.node().submit(blocked, Waiting::thread);
  pair.node().wait(*blocked, in(10ms));  // It leaves before either of them is answered.
  EXPECT_TRUE(eventually([&] { return slow->completed(); }));
  EXPECT_EQ(slow->fault(), Fault::none) << slow->why();
}

TEST(Node, WhatAnEventLoopGivesUpIsLookedAfterByTheIoThread) {
  Pair pair;
  pair.options.patience = 500ms;
  ask(pair.node(), "connects");
  Looping loop(pair.node());
  pair.server->freeze(true);
  const auto own = echo("own", 1s);  // Or the I/O thread is there before it is abandoned.
  loop.submit(own);
  loop.send();
  loop.give_up(*own);
  EXPECT_TRUE(eventually([&] { return own->times_late == 1; }));  // The connection is lost.
  EXPECT_EQ(own->times_done, 0);
  pair.server->freeze(false);
}

TEST(Node, ALostConnectionFailsWhatAnEventLoopHasSent) {
  Pair pair;
  ask(pair.node(), "connects");
  Looping loop(pair.node());
  pair.server->freeze(true);
  const auto own = echo("own");
  loop.submit(own);
  loop.send();
  pair.server->kill_connections();
  pair.server->freeze(false);
  ASSERT_TRUE(loop.until(*own));
  EXPECT_EQ(own->fault(), Fault::unavailable);
  EXPECT_TRUE(eventually([&] {
    const auto next = echo("next");
    loop.submit(next);
    loop.send();
    return loop.until(*next) && next->fault() == Fault::none;
  }));
  EXPECT_EQ(pair.server->accepted(), 2);
}

TEST(Node, AnEventLoopIsToldToWatchALostConnectionNoMore) {
  Pair pair;
  ask(pair.node(), "connects");
  Looping loop(pair.node());
  const auto first = echo("first");
  loop.submit(first);
  loop.send();
  ASSERT_TRUE(loop.until(*first));
  const int lost = ::dup(loop.descriptor());
  pair.server->kill_connections();
  EXPECT_TRUE(eventually([&] {
    const auto next = echo("next");
    loop.submit(next);
    loop.send();
    return loop.until(*next) && next->fault() == Fault::none && loop.watches();
  }));
  // Its end can be read for ever.
  EXPECT_FALSE(loop.connection().loop_turns(&loop, lost));
  EXPECT_TRUE(loop.watches());
  ::close(lost);
}

TEST(Node, ALargeValueGoesThroughBothWays) {
  Pair pair;
  for (const std::size_t size : {999UL, 1000UL, 65'536UL, 300'000UL, 5'000'000UL}) {
    std::string value(size, 'v');
    for (std::size_t i = 0; i < size; i += 97) value[i] = static_cast<char>('a' + i % 26);
    const auto request = engine::make_ref<Echo>("", 10s);
    request->head = "?" + std::to_string(size) + "\n";
    request->body = value;
    pair.node().submit(request, Waiting::thread, Traffic::bulk);
    ASSERT_TRUE(pair.node().wait(*request, in(10s)));
    ASSERT_EQ(request->reply, value) << request->why();
  }
}

TEST(Node, BulkHasAConnectionOfItsOwn) {
  Pair pair;
  const auto slow = echo("hang1000", 10s);
  pair.node().submit(slow, Waiting::nobody, Traffic::bulk);
  EXPECT_EQ(ask(pair.node(), "quick")->reply, "quick");
  EXPECT_FALSE(slow->completed());
  EXPECT_TRUE(pair.node().wait(*slow, in(10s)));
  EXPECT_EQ(pair.server->accepted(), 2);
}

TEST(Node, AUnixSocketWorksAsWell) {
  const dcache::test::Folder folder;
  Pair pair({.path = folder / "echo.sock"});
  EXPECT_EQ(ask(pair.node(), "over a file")->reply, "over a file");
}

// --- Time ---

TEST(Node, AWaitIsOverAtItsTimeAndTheLateReplyIsDropped) {
  Pair pair;
  ASSERT_EQ(ask(pair.node(), "warm")->reply, "warm");
  pair.server->freeze(true);
  const auto slow = ask(pair.node(), "slow", 50ms);
  EXPECT_TRUE(eventually([&] { return slow->completed(); }));
  EXPECT_EQ(slow->fault(), Fault::timeout);
  EXPECT_EQ(slow->times_late, 0);
  pair.server->freeze(false);
  const auto next = ask(pair.node(), "next");
  EXPECT_EQ(next->reply, "next");
  EXPECT_EQ(pair.server->accepted(), 1);
  EXPECT_EQ(slow->times_done, 1);
  EXPECT_EQ(slow->times_late, 1);
}

TEST(Node, WhatIsAbandonedIsLateOnceAndNeverDone) {
  Pair pair;
  pair.server->freeze(true);
  const auto slow = echo("slow");
  pair.node().submit(slow, Waiting::thread);
  EXPECT_FALSE(pair.node().wait(*slow, in(20ms)));
  EXPECT_TRUE(slow->abandon());
  EXPECT_FALSE(slow->abandon());
  pair.server->freeze(false);
  EXPECT_TRUE(eventually([&] { return slow->times_late == 1; }));
  EXPECT_EQ(slow->times_done, 0);
  EXPECT_EQ(ask(pair.node(), "next")->reply, "next");
}

TEST(Node, WhoDoesNotWaitIsToldAtTheDeadline) {
  Pair pair;
  pair.server->freeze(true);
  const std::array<Ref<Echo>, 3> three{echo("x", 50ms), echo("y", 150ms), echo("z", 100ms)};
  for (const auto& each : three) pair.node().submit(each, Waiting::nobody);
  for (const auto& each : three) {
    EXPECT_TRUE(eventually([&] { return each->completed(); }, 5s));
    EXPECT_EQ(each->fault(), Fault::timeout);
    EXPECT_EQ(each->times_late, 0);
  }
  pair.server->freeze(false);
  for (const auto& each : three) EXPECT_TRUE(eventually([&] { return each->times_late == 1; }));
}

TEST(Node, AFrozenServerIsFoundOutAndAllThatWaitForItFail) {
  Pair pair;
  pair.options.patience = 100ms;
  ASSERT_EQ(ask(pair.node(), "warm")->reply, "warm");
  pair.server->freeze(true);
  const Moment begin = in(0s);
  std::atomic<int> unavailable{0};
  testing::run_together(8, [&](int) {
    const auto request = echo("x", 150ms);
    pair.node().submit(request, Waiting::thread);
    pair.node().wait(*request, in(10s));
    if (request->fault() == Fault::unavailable || request->fault() == Fault::timeout) ++unavailable;
  });
  EXPECT_EQ(unavailable, 8);
  EXPECT_TRUE(eventually([&] { return pair.node().stats().failures >= 1; }));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
  EXPECT_TRUE(eventually([&] { return pair.node().stats().in_flight == 0; }));
  pair.server->freeze(false);
  EXPECT_TRUE(eventually([&] { return ask(pair.node(), "back")->reply == "back"; }));
}

TEST(Node, AServerThatStopsReadingIsFoundOutThoughNothingMoreCanBeSent) {
  Pair pair;
  pair.options.patience = 100ms;
  ASSERT_EQ(ask(pair.node(), "warm")->reply, "warm");
  pair.server->freeze(true);
  // More than the buffers of both sockets take.
  std::string value;
  value.resize(30'000'000, 'v');
  const Moment begin = in(0s);
  const std::array<Ref<Echo>, 2> both{echo("", 100ms), echo("behind", 100ms)};
  both[0]->head = "?" + std::to_string(value.size()) + "\n";
  both[0]->body = value;
  for (const auto& each : both) pair.node().submit(each, Waiting::thread);
  for (const auto& each : both) pair.node().wait(*each, in(10s));
  for (const auto& each : both) EXPECT_NE(each->fault(), Fault::none);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
  EXPECT_TRUE(eventually([&] { return pair.node().stats().in_flight == 0; }));
  pair.server->freeze(false);
  EXPECT_TRUE(eventually([&] { return ask(pair.node(), "back")->reply == "back"; }));
}

TEST(Node, AServerThatIsBusyButAnswersIsNotTakenForFrozen) {
  Pair pair;
  pair.options.patience = 1s;
  std::vector<Ref<Echo>> requests;
  for (int i = 0; i < 6; ++i) {
    requests.push_back(echo("hang250", 200ms));
    pair.node().submit(requests.back(), Waiting::nobody);
  }
  EXPECT_TRUE(eventually([&] { return pair.node().stats().in_flight == 0; }));
  EXPECT_EQ(pair.node().stats().failures, 0U);
  EXPECT_EQ(requests.back()->fault(), Fault::timeout);
  EXPECT_EQ(requests.back()->times_late, 1);
}

TEST(Node, ASlowDripIsBounded) {
  Pair pair;
  pair.options.patience = 100ms;
  ASSERT_EQ(ask(pair.node(), "warm")->reply, "warm");
  const Moment begin = in(0s);
  const auto request = ask(pair.node(), "drip" + std::string(500, '.'), 100ms);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
  EXPECT_TRUE(eventually([&] { return pair.node().stats().failures == 1; }));
  EXPECT_NE(request->fault(), Fault::none);
  EXPECT_EQ(ask(pair.node(), "next")->reply, "next");
}

TEST(Node, AReplyInSmallPiecesIsReadAsOne) {
  Pair pair;
  EXPECT_EQ(ask(pair.node(), "drip drop")->reply, "drip drop");
}

// --- What ends a connection ---

TEST(Node, AResetInMidReplyFailsThatConnectionsRequestsAndTheNextOneWorks) {
  Pair pair;
  for (const char* const command : {"reset", "half", "close", "junk"}) {
    ASSERT_EQ(ask(pair.node(), "warm")->reply, "warm");
    const auto request = ask(pair.node(), command);
    EXPECT_EQ(request->fault(), Fault::unavailable) << command;
    EXPECT_TRUE(request->trouble().sent);
    EXPECT_EQ(request->times_done, 1);
    EXPECT_NE(request->why().find("127.0.0.1:"), std::string::npos) << request->why();
    EXPECT_EQ(ask(pair.node(), "next")->reply, "next") << command;
  }
}

TEST(Node, OnlyWhatCameBeforeTheMalformedReplyIsAnswered) {
  Pair pair;
  ASSERT_EQ(ask(pair.node(), "warm")->reply, "warm");
  pair.server->freeze(true);
  const std::array<Ref<Echo>, 3> three{echo("fine"), echo("junk"), echo("behind")};
  for (const auto& each : three) pair.node().submit(each, Waiting::nobody);
  pair.server->freeze(false);
  for (const auto& each : three) ASSERT_TRUE(pair.node().wait(*each, in(10s)));
  EXPECT_EQ(three[0]->reply, "fine");
  EXPECT_EQ(three[1]->fault(), Fault::unavailable);
  EXPECT_EQ(three[2]->fault(), Fault::unavailable);
  EXPECT_NE(three[1]->why().find("malformed"), std::string::npos) << three[1]->why();
  EXPECT_EQ(ask(pair.node(), "next")->reply, "next");
}

TEST(Node, AReplyThatNobodyAskedForEndsTheConnection) {
  Pair pair;
  ASSERT_EQ(ask(pair.node(), "warm")->reply, "warm");
  // Two replies for one request.
  const auto odd = engine::make_ref<Echo>("a", 10s);
  odd->head = message('?', "a") + message('?', "b");
  pair.node().submit(odd, Waiting::nobody);
  ASSERT_TRUE(pair.node().wait(*odd, in(10s)));
  EXPECT_TRUE(eventually(
      [&] { return ask(pair.node(), "c")->reply == "c" && pair.node().stats().connects == 2; }));
}

TEST(Node, AConnectionThatEndedWhileNobodyAskedIsMadeAgainUnnoticed) {
  Pair pair;
  ASSERT_EQ(ask(pair.node(), "warm")->reply, "warm");
  pair.server->kill_connections();
  std::this_thread::sleep_for(150ms);
  EXPECT_EQ(ask(pair.node(), "next")->reply, "next");
  EXPECT_EQ(pair.node().stats().connects, 2U);
}

TEST(Node, ARequestThatMayBeRepeatedGoesOverTheNextConnectionOnce) {
  EchoServer server;
  Node node(server.options(), std::make_shared<EchoProtocol>());
  for (int i = 0; i < 20; ++i) {
    server.kill_connections();  // A moment ago, so that nobody has looked.
    const auto request = echo("again", 10s);
    request->repeatable = true;
    node.submit(request, Waiting::thread);
    ASSERT_TRUE(node.wait(*request, request->deadline()));
    EXPECT_EQ(request->trouble().fault, Fault::none) << *request->trouble().why;
    EXPECT_EQ(request->reply, "again");
  }
  const auto request = echo("close", 10s);
  request->repeatable = true;
  node.submit(request, Waiting::thread);
  ASSERT_TRUE(node.wait(*request, request->deadline()));
  EXPECT_EQ(request->trouble().fault, Fault::unavailable) << "twice, and no more";
  EXPECT_TRUE(request->trouble().sent);
}

TEST(Node, ARequestThatNoConnectionHasSeenGoesOverTheNextOne) {
  Pair pair;
  ASSERT_EQ(ask(pair.node(), "warm")->reply, "warm");
  pair.server->freeze(true);
  // The first fills the socket, so that nothing of the second is sent.
  const std::string value(std::size_t{1} << 24U, 'v');
  const std::array<Ref<Echo>, 2> both{echo(""), echo("behind")};
  both[0]->head = "?" + std::to_string(value.size()) + "\n";
  both[0]->body = value;
  for (const auto& each : both) pair.node().submit(each, Waiting::nobody);
  std::this_thread::sleep_for(20ms);
  pair.server->kill_connections();
  pair.server->freeze(false);
  for (const auto& each : both) ASSERT_TRUE(pair.node().wait(*each, in(10s)));
  EXPECT_EQ(both[0]->fault(), Fault::unavailable);
  EXPECT_EQ(both[1]->reply, "behind") << both[1]->why();
  EXPECT_EQ(pair.node().stats().connects, 2U);
}

TEST(Node, WithoutAServerRequestsFailAtOnceUntilItIsThereAgain) {
  Pair pair;
  pair.options.backoff_first = 100ms;
  pair.options.backoff_longest = 200ms;
  const int port = pair.server->port();
  ASSERT_EQ(ask(pair.node(), "warm")->reply, "warm");
  pair.server = nullptr;
  EXPECT_TRUE(eventually([&] { return ask(pair.node(), "x")->fault() == Fault::unavailable; }));
  const auto refused = ask(pair.node(), "x");
  EXPECT_EQ(refused->fault(), Fault::unavailable);
  EXPECT_FALSE(refused->trouble().sent);
  const auto attempts = pair.node().stats().failures;
  const Moment begin = in(0s);
  for (int i = 0; i < 1000; ++i) ask(pair.node(), "x");
  // At least half of 100 ms lies between two.
  const auto turns = (std::chrono::steady_clock::now() - begin) / 50ms;
  EXPECT_LE(pair.node().stats().failures, attempts + static_cast<std::uint64_t>(turns) + 1);
  pair.server = std::make_unique<EchoServer>(EchoServer::Options{.port = port});
  EXPECT_TRUE(eventually([&] { return ask(pair.node(), "back")->reply == "back"; }, 5s));
}

TEST(Node, NobodyAsksAndNothingHappens) {
  Pair pair;
  const int port = pair.server->port();
  pair.server = nullptr;
  EXPECT_EQ(ask(pair.node(), "x")->fault(), Fault::unavailable);
  pair.server = std::make_unique<EchoServer>(EchoServer::Options{.port = port});
  std::this_thread::sleep_for(300ms);
  EXPECT_EQ(pair.server->accepted(), 0);
  EXPECT_EQ(pair.reactor.threads(), 0U);
}

// A port at which connects are neither taken nor refused, for its backlog is full.
class BlackHole {
 public:
  BlackHole() {
    name_.sin_family = AF_INET;
    name_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* const name = reinterpret_cast<sockaddr*>(&name_);
    socklen_t size = sizeof name_;
    if (::bind(sockets_[0], name, size) != 0 || ::listen(sockets_[0], 0) != 0) {
      throw std::runtime_error("no port for a black hole");
    }
    ::getsockname(sockets_[0], name, &size);
    for (std::size_t i = 1; i < sockets_.size(); ++i) {
      [[maybe_unused]] const int pending = ::connect(sockets_[i], name, size);
    }
  }
  BlackHole(const BlackHole&) = delete;
  BlackHole& operator=(const BlackHole&) = delete;
  ~BlackHole() {
    for (const int each : sockets_) ::close(each);
  }
  std::uint16_t port() const { return ntohs(name_.sin_port); }

 private:
  static int make() { return ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); }

  sockaddr_in name_{};
  std::array<int, 5> sockets_{make(), make(), make(), make(), make()};
};

TEST(Node, AnUnreachablePeerIsGivenUpWithinTheConnectTimeout) {
  Pair pair;
  const BlackHole hole;
  pair.options.endpoint.port = hole.port();
  pair.options.connect_timeout = 100ms;
  const auto request = ask(pair.node(), "x");
  EXPECT_EQ(request->fault(), Fault::unavailable);
  EXPECT_NE(request->why().find("no answer within 100 ms"), std::string::npos) << request->why();
}

TEST(Node, AnAddressThatIsSilentLeavesTimeForTheNextOne) {
  const BlackHole hole;
  std::unique_ptr<EchoServer> other;
  try {
    other = std::make_unique<EchoServer>(EchoServer::Options{.port = hole.port(), .is_v6 = true});
  } catch (const std::runtime_error&) {
    GTEST_SKIP() << "there is no IPv6 here, or the port is taken";
  }
  Pair pair;
  pair.options.endpoint.host = "localhost";
  pair.options.endpoint.port = hole.port();
  pair.options.connect_timeout = 2s;
  EXPECT_EQ(ask(pair.node(), "x")->reply, "x");
  EXPECT_EQ(other->accepted(), 1);
}

TEST(Node, ANameIsLookedUp) {
  Pair pair;
  pair.options.endpoint.host = "no-such-host.invalid";
  pair.options.connect_timeout = 10s;
  const auto request = ask(pair.node(), "x");
  EXPECT_EQ(request->fault(), Fault::unavailable);
  EXPECT_NE(request->why().find("no-such-host.invalid"), std::string::npos) << request->why();
  pair.made = nullptr;
  pair.options.endpoint.host = "localhost";
  EXPECT_EQ(ask(pair.node(), "x")->reply, "x");
}

// --- The greeting ---

TEST(Node, AGreetingComesBeforeAllRequests) {
  Pair pair;
  pair.protocol->hello = "good morning";
  EXPECT_EQ(ask(pair.node(), "x")->reply, "x");
  EXPECT_EQ(pair.server->answered(), 2);
}

TEST(Node, AGreetingThatFailsSaysWhy) {
  Pair pair;
  pair.protocol->hello = "push it";  // Is answered by a push.
  const auto request = ask(pair.node(), "x");
  EXPECT_EQ(request->fault(), Fault::rejected);
  EXPECT_NE(request->why().find("the server greets as !7"), std::string::npos) << request->why();
}

TEST(Node, AServerThatIsSilentInTheGreetingIsGivenUp) {
  Pair pair;
  pair.protocol->hello = "good morning";
  pair.options.connect_timeout = 100ms;
  pair.server->freeze(true);
  const auto request = ask(pair.node(), "x");
  EXPECT_EQ(request->fault(), Fault::unavailable);
  EXPECT_NE(request->why().find("no answer within 100 ms"), std::string::npos) << request->why();
}

// --- Bounds ---

TEST(Node, TooManyRequestsAreRefusedAtOnce) {
  Pair pair;
  pair.options.requests_max = 10;
  pair.server->freeze(true);
  std::vector<Ref<Echo>> requests;
  for (int i = 0; i < 15; ++i) {
    requests.push_back(echo("x"));
    pair.node().submit(requests.back(), Waiting::nobody);
  }
  for (int i = 0; i < 15; ++i) EXPECT_EQ(requests[i]->completed(), i >= 10) << i;
  EXPECT_EQ(requests.back()->fault(), Fault::overloaded);
  EXPECT_FALSE(requests.back()->trouble().sent);
  pair.server->freeze(false);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(pair.node().wait(*requests[i], in(10s)));
  EXPECT_EQ(ask(pair.node(), "x")->reply, "x");
}

TEST(Node, TooManyBytesAreRefusedAtOnce) {
  Pair pair;
  pair.options.bytes_max = 1000;
  EXPECT_EQ(ask(pair.node(), std::string(1000, 'x'))->fault(), Fault::overloaded);
  EXPECT_EQ(ask(pair.node(), std::string(900, 'x'))->fault(), Fault::none);
}

TEST(Node, AMessageThatIsTooLargeToBeSeenAtOnceEndsTheConnection) {
  Pair pair;
  pair.options.buffer_max = 100'000;
  // A push is shown to the session as a whole.
  EXPECT_EQ(ask(pair.node(), "push" + std::string(90'000, 'x'))->fault(), Fault::none);
  const auto request = ask(pair.node(), "push" + std::string(200'000, 'x'));
  EXPECT_EQ(request->fault(), Fault::unavailable);
  EXPECT_NE(request->why().find("at once"), std::string::npos) << request->why();
}

TEST(Node, OptionsThatCanNeverWorkAreErrors) {
  const auto made = [](auto change) {
    NodeOptions options;
    options.endpoint.port = 1;
    change(options);
    const Node node(options, std::make_shared<EchoProtocol>());
  };
  EXPECT_NO_THROW(made([](NodeOptions&) {}));
  EXPECT_THROW(made([](NodeOptions& o) { o.endpoint.port = 0; }), ConfigError);
  EXPECT_THROW(made([](NodeOptions& o) { o.endpoint.path = std::string(108, 'x'); }), ConfigError);
  EXPECT_THROW(made([](NodeOptions& o) { o.patience = 0s; }), ConfigError);
  EXPECT_THROW(made([](NodeOptions& o) { o.requests_max = 0; }), ConfigError);
  EXPECT_THROW(made([](NodeOptions& o) { o.handoff = 0; }), ConfigError);
}

// --- Pushes ---

TEST(Node, APushIsDeliveredBetweenReplies) {
  Pair pair;
  EXPECT_EQ(ask(pair.node(), "push me")->reply, "push me");
  EXPECT_EQ(pair.protocol->pushes, 1);
  EXPECT_EQ(pair.protocol->last_push(), "push me");
}

TEST(Node, WhoListensHearsPushesThoughNobodyAsks) {
  Pair pair;
  ASSERT_EQ(ask(pair.node(), "warm")->reply, "warm");
  pair.node().listen(true);
  // Its reply is late: the push comes while nothing of ours is waited for.
  const auto request = echo("push later", 10s);
  pair.node().submit(request, Waiting::nobody);
  EXPECT_TRUE(eventually([&] { return pair.protocol->pushes == 1; }));
  std::this_thread::sleep_for(20ms);
  EXPECT_EQ(pair.node().stats().takeovers, 1U);
  EXPECT_EQ(pair.node().stats().give_backs, 0U);
  pair.server->kill_connections();
  EXPECT_TRUE(eventually([&] { return pair.protocol->closed == 1; }));
  pair.node().listen(false);
  EXPECT_TRUE(eventually([&] { return pair.node().stats().give_backs == 1; }));
}

// --- The end ---

TEST(Node, CloseWaitsForWhatIsUnderWay) {
  Pair pair;
  const auto slow = echo("hang100", 10s);
  pair.node().submit(slow, Waiting::nobody);
  EXPECT_TRUE(pair.node().close(10s));
  EXPECT_TRUE(slow->completed());
  EXPECT_EQ(slow->fault(), Fault::none);
  EXPECT_EQ(ask(pair.node(), "x")->fault(), Fault::closed);
}

TEST(Node, CloseFailsWhatTakesTooLong) {
  Pair pair;
  ASSERT_EQ(ask(pair.node(), "warm")->reply, "warm");
  pair.server->freeze(true);
  const auto told = echo("x", 10s);
  pair.node().submit(told, Waiting::nobody);
  std::jthread waiter([&] { EXPECT_EQ(ask(pair.node(), "y")->fault(), Fault::closed); });
  std::this_thread::sleep_for(30ms);
  const Moment begin = in(0s);
  EXPECT_TRUE(pair.node().close(50ms));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
  EXPECT_TRUE(told->completed());
  EXPECT_EQ(told->fault(), Fault::closed);
  pair.server->freeze(false);
}

TEST(Node, CloseEndsListeningToo) {
  Pair pair;
  ASSERT_EQ(ask(pair.node(), "warm")->reply, "warm");
  pair.node().listen(true);
  EXPECT_TRUE(pair.node().close(10s));
  EXPECT_EQ(pair.protocol->closed, 1);
  pair.node().listen(false);
}

TEST(Node, CloseFreesAThreadThatLeads) {
  Pair pair;
  ASSERT_EQ(ask(pair.node(), "warm")->reply, "warm");
  pair.server->freeze(true);
  std::jthread leader([&] { EXPECT_EQ(ask(pair.node(), "y")->fault(), Fault::closed); });
  EXPECT_TRUE(eventually([&] { return pair.node().stats().in_flight == 1; }));
  EXPECT_TRUE(pair.node().close(10ms));
  leader.join();
  pair.server->freeze(false);
}

TEST(Node, WithoutAnIoThreadWhoWaitsDrivesAndOthersFail) {
  Pair pair;
  ASSERT_EQ(ask(pair.node(), "warm")->reply, "warm");
  pair.server->freeze(true);
  const auto told = echo("told");
  pair.node().submit(told, Waiting::nobody);
  pair.reactor.stop(10s);
  EXPECT_TRUE(eventually([&] { return told->completed(); }));
  EXPECT_EQ(told->fault(), Fault::unavailable);
  pair.server->freeze(false);
  EXPECT_TRUE(eventually([&] { return ask(pair.node(), "alone")->reply == "alone"; }));
  const auto other = echo("told");
  pair.node().submit(other, Waiting::nobody);
  EXPECT_TRUE(other->completed());
  EXPECT_EQ(other->fault(), Fault::unavailable);
  EXPECT_NE(other->why().find("no thread"), std::string::npos) << other->why();
}

// --- Fork ---

TEST(Node, AForkedChildMakesItsOwnConnectionAndTheParentKeepsIts) {
  if (testing::sanitized) GTEST_SKIP() << "sanitizers are not made for threads in a forked child";
  Pair pair;
  ASSERT_EQ(ask(pair.node(), "parent")->reply, "parent");
  const auto inherited = echo("hang100", 10s);
  pair.node().submit(inherited, Waiting::thread);
  EXPECT_EQ(testing::in_child(20,
                              [&] {
                                const auto request = ask(pair.node(), "child");
                                if (request->reply != "child") return 1;
                                if (!pair.node().wait(*inherited, in(5s))) return 2;
                                if (inherited->fault() != Fault::closed) return 3;
                                const auto told = echo("told", 10s);
                                pair.node().submit(told, Waiting::nobody);
                                if (!pair.node().wait(*told, in(10s)) || told->reply != "told")
                                  return 4;
                                return 0;
                              }),
            0);
  EXPECT_TRUE(pair.node().wait(*inherited, in(10s)));
  EXPECT_EQ(inherited->reply, "hang100");
  EXPECT_EQ(ask(pair.node(), "parent")->reply, "parent");
  EXPECT_EQ(pair.node().stats().connects, 1U);
  EXPECT_EQ(pair.server->accepted(), 2);
}

TEST(Node, ForksInTrafficDisturbNeitherSide) {
  if (testing::sanitized) GTEST_SKIP() << "sanitizers are not made for threads in a forked child";
  Pair pair;
  ASSERT_EQ(ask(pair.node(), "warm")->reply, "warm");
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::vector<std::jthread> threads;
  for (int number = 0; number < 4; ++number) {
    threads.emplace_back([&, number] {
      for (int i = 0; !stop; ++i) {
        const std::string bytes = std::to_string(number) + ":" + std::to_string(i);
        if (ask(pair.node(), bytes)->reply != bytes) ++wrong;
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(testing::in_child(20,
                                [&] {
                                  for (int j = 0; j < 10; ++j) {
                                    if (ask(pair.node(), "child")->reply != "child") return 1;
                                  }
                                  return 0;
                                }),
              0);
  }
  stop = true;
  threads.clear();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(pair.node().stats().connects, 1U);
}

}  // namespace
}  // namespace dcache::net
