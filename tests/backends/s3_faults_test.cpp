// SPDX-License-Identifier: MIT
// What goes wrong with an object store, one by one, on a server that does it when it is told to.
#include <atomic>
#include <chrono>
#include <cstddef>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <netdb.h>

#include "dcache/backends/s3.hpp"
#include "dcache/cache.hpp"
#include "dcache/error.hpp"
#include "support/child.hpp"
#include "support/fault_server.hpp"
#include "support/folder.hpp"
#include "support/gate.hpp"
#include "support/sanitized.hpp"

#include "net/certificates.hpp"

// A name server that does not answer, for one name.
extern "C" int getaddrinfo(const char* host, const char* service, const addrinfo* hints,
                           addrinfo** found) {
  static const auto real =
      reinterpret_cast<decltype(&getaddrinfo)>(dlsym(RTLD_NEXT, "getaddrinfo"));
  if (host == nullptr || std::string_view(host) != "hangs.example") {
    return real(host, service, hints, found);
  }
  std::this_thread::sleep_for(std::chrono::seconds(8));
  return EAI_AGAIN;
}

namespace {

using namespace std::chrono_literals;
using dcache::Cache;
using dcache::ConfigError;
using dcache::S3Backend;
using dcache::S3Options;
using dcache::TierError;
using dcache::engine::Item;
using dcache::engine::make_op;
using dcache::engine::make_ref;
using dcache::engine::Op;
using dcache::engine::Ref;
using dcache::engine::Reply;
using dcache::engine::Verb;
using dcache::test::FaultServer;

S3Options at(const FaultServer& server) {
  return {.bucket = "b",
          .prefix = "p",
          .region = "us-east-1",
          .endpoint = server.endpoint(),
          .access_key = "key",
          .secret_key = "secret",
          .timeout = 5s,
          .connect_timeout = 5s};
}

class S3Faults : public testing::Test {
 protected:
  Ref<Op> run(S3Backend& backend, Verb verb, std::vector<Item> items,
              std::chrono::nanoseconds patience = 5s) const {
    const auto op =
        make_ref<Op>(verb, std::move(items), std::chrono::steady_clock::now() + patience);
    backend.submit(op);
    op->wait();
    return op;
  }
  Ref<Op> run(S3Backend& backend, Verb verb, const std::string& key, const std::string& value = "",
              std::chrono::nanoseconds patience = 5s) const {
    return run(backend, verb, {item_of(key, value)}, patience);
  }
  static Item item_of(const std::string& key, const std::string& value = "") {
    Item item;
    item.key = key;
    item.value = value;
    return item;
  }
  std::string seen() { return server.tell("seen"); }
  // How many requests of this kind there were.
  static int count(const std::string& seen, const std::string& what) {
    int found = 0;
    for (std::size_t at = seen.find(what); at != std::string::npos; at = seen.find(what, at + 1)) {
      ++found;
    }
    return found;
  }

  FaultServer server;
  S3Backend s3{at(server)};
};

// --- Attempts ---

class Passing : public S3Faults, public testing::WithParamInterface<const char*> {};

TEST_P(Passing, IsTriedAgain) {
  ASSERT_EQ(run(s3, Verb::put, "k", "value")->trouble(), "");
  seen();
  server.tell(std::string("next ") + GetParam() + " 2");
  const auto got = run(s3, Verb::get, "k");
  EXPECT_EQ(got->trouble(), "");
  EXPECT_EQ(got->items[0].value, "value");
  EXPECT_EQ(count(seen(), "GET /b/p/k"), 3);
}

INSTANTIATE_TEST_SUITE_P(Trouble, Passing,
                         testing::Values("503:SlowDown", "500:InternalError", "502:", "504:",
                                         "429:TooManyRequests", "reset", "truncate", "etag"),
                         [](const auto& one) {
                           std::string name = one.param;
                           return name.substr(name.find(':') + 1).empty()
                                      ? "Http" + name.substr(0, 3)
                                      : name.substr(name.find(':') + 1);
                         });

TEST_F(S3Faults, ThreeAttemptsAreMadeAndNoMore) {
  server.tell("next 503:SlowDown 9");
  const auto got = run(s3, Verb::get, "k");
  EXPECT_EQ(got->trouble(), "s3://b/p: 503 SlowDown: as it was told to");
  EXPECT_FALSE(got->reachable());
  EXPECT_EQ(count(seen(), "GET"), 3);
}

TEST_F(S3Faults, WhatIsRefusedIsNotTriedAgain) {
  server.tell("next 400:InvalidArgument");
  const auto got = run(s3, Verb::get, "k");
  EXPECT_EQ(got->trouble(), "s3://b/p: 400 InvalidArgument: as it was told to");
  EXPECT_TRUE(got->reachable());
  EXPECT_EQ(count(seen(), "GET"), 1);
}

TEST_F(S3Faults, AStoreThatStrugglesIsNotAskedForEver) {
  server.tell("next 503:SlowDown 400");
  run(s3, Verb::get, std::vector<Item>(100, item_of("k")));
  // A budget of a hundred attempts more, and one each.
  EXPECT_EQ(count(seen(), "GET"), 200);
}

TEST_F(S3Faults, AnAttemptThatWouldComeTooLateIsNotMade) {
  server.tell("next 503:SlowDown 9");
  const auto begun = std::chrono::steady_clock::now();
  run(s3, Verb::get, "k", "", 60ms);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 2s);
  EXPECT_LE(count(seen(), "GET"), 2);
}

TEST_F(S3Faults, GarbageIsAMissAndTheCallGoesOn) {
  const auto f =
      Cache({std::make_shared<S3Backend>(at(server))}).memoize("f", [](int n) { return 2 * n; });
  EXPECT_EQ(f(1), 2);
  for (const char* const fault : {"etag", "truncate"}) {
    server.tell(std::string("next ") + fault + " 3");
    EXPECT_EQ(f(1), 2) << fault;
  }
}

// --- Time ---

TEST_F(S3Faults, ASlowDripEndsAtTheDeadline) {
  run(s3, Verb::put, "k", std::string(1000, 'x'));
  server.tell("next drip");
  const auto got = run(s3, Verb::get, "k", "", 200ms);
  EXPECT_FALSE(got->completed() && got->trouble().empty());
  EXPECT_EQ(run(s3, Verb::get, "k")->items[0].value.size(), 1000U) << "on another connection";
}

TEST_F(S3Faults, AServerThatHangsHoldsNobody) {
  server.tell("next hang");
  const auto begun = std::chrono::steady_clock::now();
  const auto got = run(s3, Verb::get, "k", "", 100ms);
  EXPECT_FALSE(got->completed() && got->trouble().empty());
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 4s);
}

TEST_F(S3Faults, ANameServerThatHangsHoldsNobody) {
  S3Options options = at(server);
  options.endpoint = "http://hangs.example";
  options.connect_timeout = 100ms;
  options.timeout = 300ms;
  const auto f =
      Cache({std::make_shared<S3Backend>(options)}).memoize("f", [](int n) { return 2 * n; });
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_EQ(f(1), 2);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 4s);
}

// What became of it has to be known: an invalidation may have come since.
TEST_F(S3Faults, AWriteThatNobodyWaitsForIsSeenToItsEnd) {
  run(s3, Verb::put, "k", "old");  // It has connected.
  server.freeze();
  std::atomic<bool> late{false};
  Item item;
  item.key = "k";
  item.value = "new";
  const auto op =
      make_ref<Op>(Verb::put, std::vector<Item>{item}, std::chrono::steady_clock::now() + 1s);
  s3.submit(op);
  EXPECT_FALSE(op->wait([&](Op& ended) { late = ended.items[0].reply == Reply::done; }));
  server.thaw();
  for (int i = 0; i < 1000 && !late; ++i) std::this_thread::sleep_for(10ms);
  EXPECT_TRUE(late);
}

TEST_F(S3Faults, AClockThatIsWrongIsSetRightOnce) {
  server.tell("set skew 7200");
  EXPECT_EQ(run(s3, Verb::put, "k", "value")->trouble(), "");
  EXPECT_EQ(run(s3, Verb::get, "k")->items[0].value, "value");
  EXPECT_EQ(count(seen(), " /b/p/k"), 3) << "the first was refused";
}

// --- Replies that are none of S3's ---

class Strange : public S3Faults, public testing::WithParamInterface<std::string> {
 protected:
  void next(const std::string& status) { server.tell("next " + GetParam() + ":" + status); }
};

TEST_P(Strange, BodiesDoNotHideWhatTheStatusSays) {
  ASSERT_EQ(run(s3, Verb::put, "k", "value")->trouble(), "");
  next("503 2");
  EXPECT_EQ(run(s3, Verb::get, "k")->items[0].value, "value");
  next("404");
  const auto missing = run(s3, Verb::get, "k");
  EXPECT_EQ(missing->trouble(), "");
  EXPECT_EQ(missing->items[0].reply, Reply::missing);
  next("412");
  EXPECT_EQ(run(s3, Verb::add, "k", "another")->items[0].value, "value");
  for (const std::string status : {"400", "403", "301", "307"}) {
    next(status);
    EXPECT_EQ(run(s3, Verb::get, "k")->trouble(), "s3://b/p: " + status);
  }
}

INSTANTIATE_TEST_SUITE_P(Replies, Strange, testing::Values("html", "empty", "huge", "endless"));

TEST_F(S3Faults, AWebServerIsNotTakenForAStore) {
  server.tell("next html:404");
  EXPECT_THROW(s3.check(), ConfigError);
  server.tell("next html:200");
  EXPECT_THROW(s3.check(), ConfigError);
  s3.check();
}

TEST_F(S3Faults, WhatAServerSaysIsShownInOneLineAndCutShort) {
  server.tell("next 400:" + std::string(5000, 'x'));
  EXPECT_LT(run(s3, Verb::get, "k")->trouble().size(), 600U);
  server.tell("next 400:a\x1b[31mb");
  EXPECT_EQ(run(s3, Verb::get, "k")->trouble(), "s3://b/p: 400 a?[31mb: as it was told to");
}

// --- Elsewhere ---

TEST_F(S3Faults, ABucketInAnotherRegionIsAskedThere) {
  server.tell("set region eu-west-1");
  EXPECT_EQ(run(s3, Verb::put, "k", "value")->trouble(), "");
  EXPECT_EQ(run(s3, Verb::get, "k")->items[0].value, "value");
  const std::string asked = seen();
  EXPECT_EQ(count(asked, "us-east-1"), 1) << asked;
  EXPECT_EQ(count(asked, "eu-west-1"), 2) << asked;
}

TEST_F(S3Faults, ARedirectToAnotherHostIsNotFollowed) {
  FaultServer other;
  server.tell("set endpoint 127.0.0.1:" + other.port());
  const auto got = run(s3, Verb::get, "k");
  EXPECT_NE(got->trouble().find("points to 127.0.0.1:" + other.port()), std::string::npos)
      << got->trouble();
  EXPECT_EQ(other.tell("seen"), "[]");
}

// --- What the server does not know ---

TEST_F(S3Faults, WithoutConditionalWritesAddLooksFirst) {
  server.tell("set conditional no");
  EXPECT_EQ(run(s3, Verb::add, "k", "first")->items[0].reply, Reply::done);
  const auto second = run(s3, Verb::add, "k", "second");
  EXPECT_EQ(second->items[0].reply, Reply::found);
  EXPECT_EQ(second->items[0].value, "first");
  EXPECT_EQ(count(server.tell("headers If-None-Match"), "*"), 1) << "it was told once";
}

TEST_F(S3Faults, WithConditionalWritesAddIsOneRequest) {
  EXPECT_EQ(run(s3, Verb::add, "k", "first")->items[0].reply, Reply::done);
  EXPECT_EQ(count(seen(), "/b/p/k"), 1);
  const auto second = run(s3, Verb::add, "k", "second");
  EXPECT_EQ(second->items[0].reply, Reply::found);
  EXPECT_EQ(second->items[0].value, "first");
  server.tell("next 409:ConditionalRequestConflict");
  EXPECT_EQ(run(s3, Verb::add, "another", "first")->items[0].reply, Reply::done);
}

class Untagged : public S3Faults, public testing::WithParamInterface<const char*> {};

TEST_P(Untagged, RecordsAreWrittenAllTheSame) {
  server.tell(std::string("set tags ") + GetParam());
  Item item;
  item.key = "k";
  item.value = "value";
  item.expires = dcache::engine::wall_now() + 1'000'000;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(run(s3, Verb::put, {item})->trouble(), "");
  EXPECT_EQ(count(server.tell("headers x-amz-tagging"), "dcache-days=1"), 1) << "it was told once";
}

INSTANTIATE_TEST_SUITE_P(Servers, Untagged, testing::Values("no", "denied"));

TEST_F(S3Faults, RecordsSayHowLongTheyLastAndMarksDoNot) {
  for (const std::int64_t days : {0, 1, 6, 30, 300, 4000, -1}) {
    Item item;
    item.key = "k";
    item.expires = days < 0 ? dcache::engine::no_end
                            : dcache::engine::wall_now() + days * 86'400'000'000 + 1'000'000;
    run(s3, Verb::put, {item});
  }
  EXPECT_EQ(server.tell("headers x-amz-tagging"),
            R"(["dcache-days=1", "dcache-days=7", "dcache-days=7", "dcache-days=31", )"
            R"("dcache-days=366", "", ""])");
}

// --- Leases ---

class S3Leases : public S3Faults {
 protected:
  static S3Options leasing(const FaultServer& server, std::chrono::seconds lease = 1min) {
    S3Options options = at(server);
    options.lease = lease;
    return options;
  }
  Item ask(S3Backend& backend, Verb verb, const std::string& key, const std::string& value = "",
           std::uint64_t token = 0) {
    Item item = item_of(key, value);
    item.token = token;
    return run(backend, verb, {item})->items[0];
  }

  S3Backend one{leasing(server)};
  S3Backend other{leasing(server)};
};

TEST_F(S3Leases, AreOffUnlessTheyAreAskedFor) {
  EXPECT_FALSE(s3.capabilities().leases);
  EXPECT_TRUE(one.capabilities().leases);
  EXPECT_THROW(S3Backend({.bucket = "b", .lease = 10ms}), ConfigError);
}

TEST_F(S3Leases, AreNotTakenFromWhoComputesByWhoHasWatchedSince) {
  EXPECT_EQ(ask(one, Verb::lease, "k").reply, Reply::done);
  const Item watched = ask(other, Verb::watch, "k");
  EXPECT_EQ(ask(other, Verb::lease, "k", "", watched.token).reply, Reply::busy);
}

TEST_F(S3Leases, OfAProcessThatHasDiedAreTakenOver) {
  S3Backend dead{leasing(server, 1s)};
  EXPECT_EQ(ask(dead, Verb::lease, "k").reply, Reply::done);
  std::this_thread::sleep_for(2100ms);  // Whole seconds count.
  EXPECT_EQ(ask(one, Verb::lease, "k").reply, Reply::done);
}

TEST_F(S3Leases, EndWithTheResultOfWhoHasWaitedLongEnough) {
  S3Options lasting = leasing(server);
  lasting.lease = 1h;
  const auto twice = [](const S3Options& options, const dcache::MemoizeOptions<int>& how) {
    return Cache({std::make_shared<S3Backend>(options)})
        .memoize("twice", [](int n) { return 2 * n; }, how);
  };
  twice(lasting, {})(0);  // The function's mark is there.
  dcache::testing::Gate gate;
  const auto slow = Cache({std::make_shared<S3Backend>(lasting)}).memoize("twice", [&](int n) {
    gate.pass();
    return n + 1;
  });
  std::thread dead([&] { slow(1); });
  gate.wait_until_reached();
  seen();
  EXPECT_EQ(twice(lasting, {.flight_timeout = 100ms})(1), 2);
  EXPECT_EQ(twice(lasting, {})(1), 2) << "nobody waits for it any more";
  gate.open();
  dead.join();
  EXPECT_EQ(slow.stats().misses, 1U);
  EXPECT_EQ(twice(lasting, {})(1), 2) << "its result comes too late";
}

TEST_F(S3Leases, LeaveARecordToThoseWhoMayUseIt) {
  ask(one, Verb::put, "k", "old");
  const Item watched = ask(one, Verb::watch, "k");
  EXPECT_EQ(ask(one, Verb::lease, "k", "", watched.token).reply, Reply::done);
  EXPECT_EQ(ask(s3, Verb::get, "k").value, "old");
  EXPECT_EQ(ask(one, Verb::fill, "k", "new", watched.token).reply, Reply::done);
  EXPECT_EQ(ask(s3, Verb::get, "k").value, "new");
}

TEST_F(S3Leases, AreNoRecordToThoseWithoutLeases) {
  EXPECT_EQ(ask(one, Verb::lease, "k").reply, Reply::done);
  EXPECT_EQ(ask(s3, Verb::get, "k").reply, Reply::missing);
}

TEST_F(S3Leases, TakeOneWriteAndNoReadWhereNobodyElseComputes) {
  const Item watched = ask(one, Verb::watch, "k");
  const Item leased = ask(one, Verb::lease, "k", "", watched.token);
  EXPECT_EQ(ask(one, Verb::fill, "k", "value", leased.token).reply, Reply::done);
  EXPECT_EQ(count(seen(), "PUT"), 3) << "to watch, to lease, to fill";
}

TEST_F(S3Leases, SayNothingWithoutConditionalWrites) {
  server.tell("set conditional no");
  const Item mine = ask(one, Verb::lease, "k");
  EXPECT_EQ(mine.reply, Reply::done);
  EXPECT_EQ(ask(other, Verb::lease, "k").reply, Reply::done);
  EXPECT_EQ(ask(one, Verb::fill, "k", "value", mine.token).reply, Reply::done);
  EXPECT_EQ(ask(other, Verb::get, "k").value, "value");
  EXPECT_EQ(ask(one, Verb::release, "k", "", mine.token).reply, Reply::done);
}

// --- Many ---

TEST_F(S3Faults, ManyAreErasedInOneRequest) {
  std::vector<Item> items(2500);
  for (std::size_t i = 0; i < items.size(); ++i) items[i].key = "k&<" + std::to_string(i);
  run(s3, Verb::put, items[2400].key, "value");
  seen();
  const auto erased = run(s3, Verb::erase, items);
  EXPECT_EQ(erased->trouble(), "");
  EXPECT_EQ(count(seen(), "POST /b/?delete"), 3);
  EXPECT_EQ(run(s3, Verb::get, items[2400].key)->items[0].reply, Reply::missing);
}

TEST_F(S3Faults, OneThatFailsAmongManyIsAMissAndTheOthersAreNot) {
  std::vector<Item> items(8);
  for (std::size_t i = 0; i < items.size(); ++i) {
    items[i].key = std::to_string(i);
    items[i].value = "value";
  }
  ASSERT_EQ(run(s3, Verb::put, items)->trouble(), "");
  server.tell("next 400:InvalidArgument");
  const auto got = run(s3, Verb::get, items);
  EXPECT_EQ(got->trouble(), "");
  int found = 0;
  for (const Item& each : got->items) found += each.reply == Reply::found ? 1 : 0;
  EXPECT_EQ(found, 7);
}

TEST_F(S3Faults, OneWriteThatFailsAmongManyIsAFailure) {
  std::vector<Item> items(3);
  for (std::size_t i = 0; i < items.size(); ++i) items[i].key = std::to_string(i);
  server.tell("next 400:InvalidArgument");
  EXPECT_NE(run(s3, Verb::put, items)->trouble(), "");
}

TEST_F(S3Faults, ThousandsOfLookUpsShareTheConnections) {
  run(s3, Verb::put, "k", "value");
  std::vector<Item> items(3000);
  for (Item& each : items) each.key.assign(1, 'k');
  const auto got = run(s3, Verb::get, items, 60s);
  EXPECT_EQ(got->trouble(), "");
  for (const Item& each : got->items) ASSERT_EQ(each.value, "value");
}

TEST_F(S3Faults, WhatIsTooLargeIsAMiss) {
  S3Options options = at(server);
  options.max_bytes = 1000;
  S3Backend small(options);
  run(s3, Verb::put, "k", std::string(1001, 'x'));
  EXPECT_NE(run(small, Verb::get, "k")->trouble().find("larger"), std::string::npos);
  EXPECT_NE(run(small, Verb::put, "l", std::string(1001, 'x'))->trouble().find("1001 bytes"),
            std::string::npos);
}

// Of this process: "VmRSS", what it has in memory, or "VmHWM", the most that it had.
std::size_t megabytes(const std::string& of_what) {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.starts_with(of_what + ':')) return std::stoul(line.substr(of_what.size() + 1)) >> 10U;
  }
  return 0;
}

TEST_F(S3Faults, AValueIsInMemoryOnce) {
  if (dcache::testing::sanitized) GTEST_SKIP() << "memory that is freed is kept";
  constexpr std::size_t size = 60;
  run(s3, Verb::put, "another", "value");
  const auto more_for = [&](Verb verb, const std::string& value) {
    const auto op = make_op(verb, "k", std::chrono::steady_clock::now() + 60s);
    op->items[0].value = value;
    std::ofstream("/proc/self/clear_refs") << '5';  // The most begins anew.
    const std::size_t before = megabytes("VmRSS");
    s3.submit(op);
    op->wait();
    EXPECT_EQ(op->trouble(), "");
    EXPECT_EQ(op->items[0].value.size(), size << 20U);
    return megabytes("VmHWM") - before;
  };
  EXPECT_LT(more_for(Verb::put, std::string(size << 20U, 'x')), 8U);
  EXPECT_LT(more_for(Verb::get, ""), size + 8);
}

TEST_F(S3Faults, ATransferIsStoppedOnceItIsTooLarge) {
  S3Options options = at(server);
  options.max_bytes = 1 << 20;
  S3Backend small(options);
  for (const std::string kind : {"huge", "endless", "lie"}) {
    server.tell("next " + kind + ":200");
    const auto got = run(small, Verb::get, "k");
    EXPECT_NE(got->trouble().find("larger"), std::string::npos) << got->trouble();
    // Of 64 MiB: what the kernel holds between the two.
    EXPECT_LT(std::stoul(server.tell("sent")), 16U << 20U) << kind;
  }
}

// --- TLS ---

TEST_F(S3Faults, OverTlsTheServerHasToShowACertificateThatIsTrusted) {
  using dcache::net::test::Certificate;
  const dcache::test::Folder folder;
  const Certificate authority("authority", "", nullptr), stranger("stranger", "", nullptr);
  const Certificate shown("store", "IP:127.0.0.1", &authority);
  authority.write(folder / "ca.pem", folder / "ca.key");
  stranger.write(folder / "stranger.pem", folder / "stranger.key");
  shown.write(folder / "store.pem", folder / "store.key");
  server.tell("tls " + (folder / "store.pem") + " " + (folder / "store.key"));
  S3Options options = at(server);
  options.endpoint = "https://127.0.0.1:" + server.port();
  options.ca_file = folder / "ca.pem";
  S3Backend trusting(options);
  EXPECT_EQ(run(trusting, Verb::put, "k", "value")->trouble(), "");
  EXPECT_EQ(run(trusting, Verb::get, "k")->items[0].value, "value");
  EXPECT_EQ(server.tell("headers x-amz-content-sha256"),
            R"(["UNSIGNED-PAYLOAD", "UNSIGNED-PAYLOAD"])");
  seen();
  for (const char* const file : {"stranger.pem", "missing.pem"}) {
    options.ca_file = folder / file;
    EXPECT_THROW(S3Backend(options).check(), ConfigError) << file;
  }
  options.ca_file = folder / "ca.pem";
  options.endpoint = "https://localhost:" + server.port();
  EXPECT_THROW(S3Backend(options).check(), ConfigError) << "it is for another name";
  EXPECT_EQ(seen(), "[]");
}

// --- How long what it said is believed ---

TEST_F(S3Faults, MemoryInFrontOfItIsBelievedForAMinuteAndAMarkForTenSeconds) {
  dcache::ManualClock clock;
  int runs = 0;
  const auto counted = [&](std::vector<dcache::CacheTier> tiers) {
    tiers.emplace_back(std::make_shared<S3Backend>(at(server)));
    return Cache(std::move(tiers), {.clock = &clock})
        .memoize("f", [&](int n) { return n + 0 * ++runs; }, {.clock = &clock});
  };
  const auto near = counted({"memory:"}), far = counted({}), other = counted({});
  near(1), far(1);
  other.put(7, 1);
  clock.advance(59s);
  EXPECT_EQ(near(1), 1);
  clock.advance(1s);
  EXPECT_EQ(near(1), 7);
  EXPECT_EQ(far(1), 7);
  ASSERT_EQ(runs, 1);
  other.clear();
  clock.advance(9s);
  EXPECT_EQ(far(1), 7);
  clock.advance(1s);
  EXPECT_EQ(far(1), 1);
  EXPECT_EQ(runs, 2);
}

// --- Setting it up ---

TEST_F(S3Faults, CheckTellsAMistakeFromAnOutage) {
  s3.check();
  server.tell("next 403:InvalidAccessKeyId");
  EXPECT_THROW(s3.check(), ConfigError);
  server.tell("next 404:NoSuchBucket");
  EXPECT_THROW(s3.check(), ConfigError);
  server.tell("next 503:SlowDown 3");
  try {
    s3.check();
    FAIL();
  } catch (const TierError& error) {
    EXPECT_STREQ(error.what(), "dcache: s3://b/p cannot be used: 503 SlowDown: as it was told to");
  }
}

TEST_F(S3Faults, OperationsUnderWayEndWhenItIsClosed) {
  server.tell("next hang");
  const auto op = make_op(Verb::get, "k", std::chrono::steady_clock::now() + 60s);
  s3.submit(op);
  std::this_thread::sleep_for(50ms);
  s3.close();
  EXPECT_TRUE(op->wait());
  EXPECT_NE(op->trouble(), "");
}

TEST_F(S3Faults, AForkedChildHasConnectionsOfItsOwn) {
  if (dcache::testing::sanitized) GTEST_SKIP() << "forks among threads";
  run(s3, Verb::put, "k", "value");
  EXPECT_TRUE(dcache::testing::true_in_child(
      [&] { return run(s3, Verb::get, "k")->items[0].value == "value"; }));
  EXPECT_EQ(run(s3, Verb::get, "k")->items[0].value, "value");
}

}  // namespace
