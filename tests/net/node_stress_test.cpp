// SPDX-License-Identifier: MIT
// Everything at once over real sockets: callers that block, callers that do not, event loops,
// deadlines that are too short, abandoned requests, large values, connections that are killed, a
// server that freezes. What must hold: a reply is that of its request, every request completes once
// (or is late once, where it was abandoned), and nobody waits for ever.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/sanitized.hpp"

#include "net/echo.hpp"
#include "net/looping.hpp"
#include "net/node.hpp"
#include "net/reactor.hpp"

namespace dcache::net {
namespace {

using engine::Ref;
using namespace test;  // NOLINT(google-build-using-namespace)

constexpr auto duration = testing::sanitized ? 3s : 2s;

struct Tally {
  std::atomic<std::uint64_t> answered{0};
  std::atomic<std::uint64_t> failed{0};
  std::atomic<std::uint64_t> abandoned{0};
  std::atomic<std::uint64_t> wrong{0};

  // After the node is closed: nothing happens to the request any more.
  void count(const Echo& request, const std::string& expected) {
    const bool good = request.completed() ? request.times_done == 1 && request.times_late <= 1
                                          : request.times_done == 0 && request.times_late == 1;
    if (!good) wrong.fetch_add(1);
    if (!request.completed()) {
      abandoned.fetch_add(1);
    } else if (request.fault() != Fault::none) {
      failed.fetch_add(1);
    } else {
      answered.fetch_add(1);
      if (request.reply != expected) wrong.fetch_add(1);
    }
  }
};

class Caller {
 public:
  Caller(Node& node, Tally& tally, unsigned number)
      : node_(node), tally_(tally), number_(number), random_(number) {}

  void run(Moment end, const std::atomic<bool>& is_quiet) {
    while (std::chrono::steady_clock::now() < end) {
      if (is_quiet) {
        std::this_thread::sleep_for(1ms);
      } else {
        ask();
      }
    }
  }
  void settle() {
    for (const auto& [request, bytes] : asked_) tally_.count(*request, bytes);
  }

 private:
  void ask() {
    std::string bytes = std::to_string(number_) + ":" + std::to_string(count_++) + ":";
    if (random_() % 32 == 0) bytes.append(random_() % 30'000, 'x');
    if (random_() % 64 == 0) bytes = "push " + bytes;
    const nanoseconds time = random_() % 16 == 0 ? nanoseconds(300us) : nanoseconds(5s);
    const auto request = echo(bytes, time);
    request->repeatable = random_() % 2 == 0;
    const Traffic traffic = random_() % 8 == 0 ? Traffic::bulk : Traffic::small;
    // What is asked is kept to be counted; only so much at once.
    asked_.emplace_back(request, bytes);
    const bool blocks = random_() % 2 == 0;
    node_.submit(request, blocks ? Waiting::thread : Waiting::nobody, traffic);
    if (blocks) wait(*request);
    if (!blocks && asked_.size() % 16 == 0) node_.wait(*request, request->deadline());
    while (asked_.size() > 500 && asked_.front().first->completed() &&
           asked_.front().first->fault() == Fault::none) {
      tally_.count(*asked_.front().first, asked_.front().second);
      asked_.pop_front();
    }
  }

  void wait(Echo& request) {
    switch (random_() % 16) {
      case 0:
        node_.hand_over(request);
        return;
      case 1:
        if (!node_.wait(request, in(100us))) request.abandon();
        return;
      case 2:
        while (!node_.wait(request, in(200us))) {
        }
        return;
      default:
        if (!node_.wait(request, request.deadline())) request.abandon();
    }
  }

  Node& node_;
  Tally& tally_;
  const unsigned number_;
  std::mt19937 random_;
  std::uint64_t count_ = 0;
  std::deque<std::pair<Ref<Echo>, std::string>> asked_;
};

// An event loop: asks for some at a time, gives some up.
class LoopCaller {
 public:
  LoopCaller(Node& node, Tally& tally, unsigned number)
      : node_(node), tally_(tally), number_(number), random_(number) {}

  void run(Moment end) {
    Looping loop(node_);
    while (std::chrono::steady_clock::now() < end) {
      for (auto some = random_() % 40; some > 0; --some) {
        const std::string bytes = std::to_string(number_) + ";" + std::to_string(count_++);
        asked_.emplace_back(echo(bytes, 5s), bytes);
        loop.submit(asked_.back().first);
      }
      loop.send();
      loop.turn(std::chrono::milliseconds(random_() % 3));
      settle(loop, random_() % 64 == 0);
      if (random_() % 128 == 0) std::this_thread::sleep_for(15ms);  // The others may be quiet.
    }
    while (!asked_.empty()) {
      loop.turn(1ms);
      settle(loop, std::chrono::steady_clock::now() > end + 5s);
    }
    turns = loop.turns;
  }
  void count() {
    for (const auto& [request, bytes] : given_up_) tally_.count(*request, bytes);
  }

  int turns = 0;

 private:
  void settle(Looping& loop, bool gives_up) {
    for (auto each = asked_.begin(); each != asked_.end();) {
      if (each->first->completed()) {
        tally_.count(*each->first, each->second);
      } else if (gives_up) {
        loop.give_up(*each->first);
        given_up_.push_back(*each);
      } else {
        ++each;
        continue;
      }
      each = asked_.erase(each);
    }
  }

  Node& node_;
  Tally& tally_;
  const unsigned number_;
  std::mt19937 random_;
  std::uint64_t count_ = 0;
  std::deque<std::pair<Ref<Echo>, std::string>> asked_;
  std::deque<std::pair<Ref<Echo>, std::string>> given_up_;
};

void stress(unsigned threads, nanoseconds kill_every, bool freezes, std::size_t handoff,
            unsigned loops = 0) {
  EchoServer server;
  Reactor reactor("net-stress");
  auto protocol = std::make_shared<EchoProtocol>();
  protocol->hello = "hello";
  NodeOptions options = server.options();
  options.reactor = &reactor;
  options.backoff_first = 1ms;
  options.backoff_longest = 5ms;
  options.connect_timeout = 5s;
  options.patience = freezes ? nanoseconds(20ms) : nanoseconds(5s);
  options.handoff = handoff;
  Node node(options, protocol);
  Tally tally;
  std::vector<std::unique_ptr<Caller>> callers;
  for (unsigned i = 0; i < threads; ++i) {
    callers.push_back(std::make_unique<Caller>(node, tally, i));
  }
  std::vector<std::unique_ptr<LoopCaller>> looping;
  for (unsigned i = 0; i < loops; ++i) {
    looping.push_back(std::make_unique<LoopCaller>(node, tally, 100 + i));
  }
  {
    const Moment end = in(duration);
    std::atomic<bool> is_quiet{false};
    std::vector<std::jthread> running;
    for (auto& each : looping) running.emplace_back([&each, end] { each->run(end); });
    for (auto& each : callers) {
      running.emplace_back([&each, &is_quiet, end] { each->run(end, is_quiet); });
    }
    while (std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(std::min<nanoseconds>(kill_every, nanoseconds(duration) / 40));
      if (loops > 0) is_quiet = !is_quiet;  // For a loop to drive again.
      if (freezes) {
        server.freeze(true);
        std::this_thread::sleep_for(30ms);
        server.freeze(false);
      } else if (kill_every < 1s) {
        server.kill_connections();
      }
    }
  }
  EXPECT_TRUE(node.close(10s));
  for (auto& each : callers) each->settle();
  for (auto& each : looping) each->count();
  if (loops == 1) {
    EXPECT_GT(looping.front()->turns, 0);
  }
  EXPECT_EQ(tally.wrong, 0U);
  EXPECT_GT(tally.answered, 100U);
  EXPECT_EQ(node.stats().in_flight, 0U);
  EXPECT_GT(node.stats().takeovers, 0U);
  ::testing::Test::RecordProperty("answered", static_cast<int>(tally.answered));
}

TEST(NodeStress, ManyCallersOfAllKinds) { stress(8, 10s, false, 2); }
TEST(NodeStress, ThreeCallersAtTheBorderOfTakingOver) { stress(3, 10s, false, 3); }
TEST(NodeStress, ConnectionsAreKilledAllTheTime) { stress(6, 7ms, false, 2); }
TEST(NodeStress, TheServerFreezesAllTheTime) { stress(6, 40ms, true, 2); }
TEST(NodeStress, AnEventLoopAlone) { stress(0, 10s, false, 2, 1); }
TEST(NodeStress, AnEventLoopAloneWhoseConnectionsAreKilled) { stress(0, 7ms, false, 2, 1); }
TEST(NodeStress, AnEventLoopAmongCallersOfAllKinds) { stress(2, 10s, false, 2, 1); }
TEST(NodeStress, EventLoopsAmongCallersOfAllKinds) { stress(2, 10s, false, 2, 2); }
TEST(NodeStress, EventLoopsAmongCallersWhoseConnectionsAreKilled) { stress(1, 7ms, false, 2, 2); }
TEST(NodeStress, EventLoopsWhileTheServerFreezes) { stress(1, 40ms, true, 2, 2); }

}  // namespace
}  // namespace dcache::net
