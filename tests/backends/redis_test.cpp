// SPDX-License-Identifier: MIT
// Redis and Valkey as functions see them: real servers, and what goes wrong with them.
#include "dcache/backends/redis.hpp"

#include <atomic>
#include <chrono>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "dcache/cache.hpp"
#include "dcache/engine/open.hpp"
#include "dcache/error.hpp"
#include "support/child.hpp"
#include "support/redis_client.hpp"
#include "support/redis_server.hpp"
#include "support/sanitized.hpp"

namespace {

using namespace std::chrono_literals;
using dcache::Cache;
using dcache::CacheOptions;
using dcache::ConfigError;
using dcache::RedisBackend;
using dcache::RedisOptions;
using dcache::TierError;
using dcache::engine::open_backend;
using dcache::test::Flavour;
using dcache::test::RedisClient;
using dcache::test::RedisServer;

using Server = dcache::test::RedisOptions;

RedisOptions at(const RedisServer& server) {
  // Patient: what is tested is not how busy this machine is.
  return {.host = "127.0.0.1", .port = server.port(), .timeout = 5s, .connect_timeout = 5s};
}
std::shared_ptr<RedisBackend> connect(const RedisOptions& options) {
  return std::make_shared<RedisBackend>(options);
}
std::shared_ptr<RedisBackend> connect(const RedisServer& server) { return connect(at(server)); }

std::chrono::nanoseconds took(const auto& run) {
  const auto begun = std::chrono::steady_clock::now();
  run();
  return std::chrono::steady_clock::now() - begun;
}
template <class Error>
std::string message_of(const auto& run) {
  try {
    run();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}
bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}
bool comes_true(const auto& condition) {
  const auto give_up = std::chrono::steady_clock::now() + 20s;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > give_up) return false;
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

int twice(int n) { return 2 * n; }

class Redis : public testing::TestWithParam<Flavour> {
 protected:
  static std::unique_ptr<RedisServer> serve(Server options = {}) {
    options.flavour = GetParam();
    return std::make_unique<RedisServer>(options);
  }
};

INSTANTIATE_TEST_SUITE_P(On, Redis, testing::Values(Flavour::redis, Flavour::valkey),
                         [](const auto& one) { return std::string(name_of(one.param)); });

TEST_P(Redis, AnswersWhatAnotherProcessHasComputed) {
  const auto server = serve();
  std::atomic<int> bodies{0};
  const auto body = [&](int n) {
    ++bodies;
    return 2 * n;
  };
  const auto one = Cache({connect(*server)}).memoize("twice", body);
  const auto other = Cache({connect(*server)}).memoize("twice", body);
  EXPECT_EQ(one(4), 8);
  EXPECT_EQ(other(4), 8);
  EXPECT_EQ(bodies, 1);
  one.invalidate(4);
  EXPECT_EQ(other(4), 8);
  EXPECT_EQ(bodies, 2);
}

TEST_P(Redis, IsAskedByOneGetForAHit) {
  const auto server = serve();
  const auto f = Cache({connect(*server)}).memoize("twice", twice);
  f(1);
  server->ask({"CONFIG", "RESETSTAT"});
  for (int i = 0; i < 50; ++i) f(1);
  const std::string stats = server->ask({"INFO", "commandstats"});
  EXPECT_FALSE(contains(stats, "cmdstat_eval")) << stats;
  EXPECT_TRUE(contains(stats, "cmdstat_get:calls=50") || contains(stats, "cmdstat_get:calls=51"))
      << "and a mark that was due: " << stats;
}

// What clients ask of the server while `run` runs, by the first word; not what its scripts ask. The
// mark of a function, which is due once a second, comes beside the record: two GETs are one.
std::vector<std::string> round_trips(const RedisServer& server, const auto& run) {
  RedisClient monitor(server.socket());
  monitor.send("MONITOR\r\n");
  monitor.receive();
  run();
  server.ask({"PING"});
  std::vector<std::string> words;
  for (;;) {
    const std::string line(monitor.receive().text());
    const std::size_t begin = line.find('"') + 1;
    if (contains(line.substr(0, begin), " lua]")) continue;
    const std::string word = line.substr(begin, line.find('"', begin) - begin);
    if (word == "PING") return words;
    if (words.empty() || words.back() != word || word != "GET") words.push_back(word);
  }
}

TEST_P(Redis, IsAskedThreeTimesForAMissAndOnceToPut) {
  const auto server = serve();
  const auto f = Cache({connect(*server)}).memoize("twice", twice);
  f(1);
  f.put(1, 1);  // Now it knows the scripts.
  using Words = std::vector<std::string>;
  EXPECT_EQ(round_trips(*server, [&] { f(2); }), (Words{"GET", "EVALSHA", "EVALSHA"}))
      << "look; lease, or what has come meanwhile; fill";
  EXPECT_EQ(round_trips(*server, [&] { f(2); }), (Words{"GET"}));
  Words put = round_trips(*server, [&] { f.put(3, 4); });
  if (put.size() > 1 && put.front() == "GET") put.erase(put.begin());  // The mark, if it is due.
  EXPECT_EQ(put, (Words{"EVALSHA"}));
}

TEST_P(Redis, SendsAStaleRecordOnce) {
  const auto server = serve();
  constexpr std::size_t size = 100'000;
  const auto f = Cache({connect(*server)})
                     .memoize("large",
                              [](int seed) {
                                std::string noise(size, '\0');
                                std::mt19937 random(static_cast<unsigned>(seed));
                                for (char& each : noise) each = static_cast<char>(random());
                                return noise;
                              },
                              {.ttl = 1ms, .stale_for = 1h});
  f(1);
  std::this_thread::sleep_for(5ms);
  server->ask({"CONFIG", "RESETSTAT"});
  f(1);
  const std::string stats = server->ask({"INFO", "stats"});
  const std::string name = "total_net_output_bytes:";
  const unsigned long sent = std::stoul(stats.substr(stats.find(name) + name.size()));
  EXPECT_GT(sent, size);
  EXPECT_LT(sent, size * 3 / 2) << "with the lease it would be known again by how it ends";
}

TEST_P(Redis, KeepsRecordsForATimeAndMarksForEver) {
  const auto server = serve();
  const auto f = Cache({connect(*server)}).memoize("twice", twice);
  const auto brief = Cache({connect(*server)}).memoize("brief", twice, {.ttl = 60s});
  f(1);
  brief(1);
  EXPECT_TRUE(contains(server->ask({"INFO", "keyspace"}), "keys=6,expires=4"))
      << "two marks, two records, two watches: " << server->ask({"INFO", "keyspace"});
  f.clear();
  EXPECT_EQ(f(1), 2);
}

TEST_P(Redis, WakesWhoeverWaitsForAnotherProcess) {
  const auto server = serve();
  std::atomic<bool> computing{false};
  std::atomic<bool> go_on{false};
  const auto leader = Cache({connect(*server)}).memoize("slow", [&](int n) {
    computing = true;
    while (!go_on) std::this_thread::sleep_for(1ms);
    return n;
  });
  std::atomic<int> bodies{0};
  const auto waiter = Cache({connect(*server)}).memoize("slow", [&](int n) {
    ++bodies;
    return n;
  });
  std::thread leads([&] { leader(7); });
  ASSERT_TRUE(comes_true([&] { return computing.load(); }));
  std::atomic<bool> answered{false};
  std::thread waits([&] {
    waiter(7);
    answered = true;
  });
  std::this_thread::sleep_for(300ms);
  EXPECT_FALSE(answered);
  server->ask({"CONFIG", "RESETSTAT"});
  std::this_thread::sleep_for(300ms);
  EXPECT_FALSE(contains(server->ask({"INFO", "commandstats"}), "cmdstat_get:calls=10"))
      << "it does not ask all the time";
  go_on = true;
  leads.join();
  waits.join();
  EXPECT_EQ(bodies, 0);
}

TEST_P(Redis, LetsTheNextOneComputeWhenTheLeaderHasDied) {
  const auto server = serve();
  RedisOptions options = at(*server);
  options.lease = 900ms;
  const auto body = [](int n) {
    std::this_thread::sleep_for(60s);
    return n;
  };
  const pid_t leader = fork();
  if (leader == 0) {
    Cache({connect(options)}).memoize("slow", body)(1);
    _exit(0);
  }
  ASSERT_TRUE(comes_true([&] { return server->ask({"DBSIZE"}) == "3"; }));
  std::this_thread::sleep_for(1500ms);
  EXPECT_EQ(server->ask({"DBSIZE"}), "3") << "its lease is renewed for as long as it lives";
  ::kill(leader, SIGKILL);
  waitpid(leader, nullptr, 0);
  const auto next = Cache({connect(options)}).memoize("slow", [](int n) { return 2 * n; });
  const auto waited = took([&] { EXPECT_EQ(next(1), 2); });
  EXPECT_LT(waited, 10s);
}

TEST_P(Redis, RunsOneBodyForManyProcesses) {
  const auto server = serve();
  dcache::test::Folder folder;
  const std::string bodies = folder / "bodies";
  const auto run = [&] {
    const auto f = Cache({"memory:", connect(*server)}).memoize("slow", [&](int n) {
      FILE* const file = std::fopen(bodies.c_str(), "a");
      std::fputs("x", file);
      std::fclose(file);
      std::this_thread::sleep_for(100ms);
      return n + 1;
    });
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) threads.emplace_back([&] { wrong += f(41) == 42 ? 0 : 1; });
    for (std::thread& thread : threads) thread.join();
    return wrong.load();
  };
  std::vector<pid_t> children;
  for (int i = 0; i < 4; ++i) {
    const pid_t child = fork();
    if (child == 0) _exit(run());
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(std::filesystem::file_size(bodies), 1U);
}

TEST_P(Redis, HoldsACallerNoLongerThanItsTimeout) {
  const auto server = serve();
  RedisOptions options = at(*server);
  options.timeout = 100ms;
  const auto f = Cache({connect(options)}).memoize("twice", twice);
  f(1);
  server->freeze();
  EXPECT_LT(took([&] { EXPECT_EQ(f(1), 2); }), 3s);
  EXPECT_GE(f.far_stats()[0].failures, 1U);
  server->thaw();
  EXPECT_TRUE(comes_true([&] {
    const auto before = f.far_stats()[0].hits;
    f(1);
    return f.far_stats()[0].hits > before;
  })) << "it is asked again when it is back";
}

TEST_P(Redis, IsUsedAgainAfterItWasRestarted) {
  const auto server = serve();
  const auto f = Cache({connect(*server)}).memoize("twice", twice);
  f(1);
  server->kill();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(f(1), 2);
  EXPECT_GE(f.far_stats()[0].failures, 1U);
  EXPECT_THROW(f.invalidate(1), dcache::InvalidationError);
  server->start();
  EXPECT_TRUE(comes_true([&] {
    const auto before = f.far_stats()[0].hits;
    f(1);
    return f.far_stats()[0].hits > before;
  }));
}

TEST_P(Redis, GoesOnWhileItsConnectionsAreKilled) {
  const auto server = serve();
  const auto f = Cache({connect(*server)}).memoize("twice", twice);
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(f(i % 5), 2 * (i % 5));
    server->ask({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
  }
  EXPECT_EQ(f.far_stats()[0].failures, 0U) << "what was sent in vain goes over the next one";
}

TEST_P(Redis, ServesAForkedChildInTraffic) {
  if (dcache::testing::sanitized) GTEST_SKIP() << "forks among threads";
  const auto server = serve();
  const auto f = Cache({connect(*server)}).memoize("twice", twice);
  f(1);
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::atomic<std::int64_t> slowest{0};
  std::vector<std::thread> traffic;
  for (int i = 0; i < 3; ++i) {
    traffic.emplace_back([&] {
      for (int n = 0; !stop; ++n) {
        const auto time = took([&] { wrong += f(n % 20) == 2 * (n % 20) ? 0 : 1; });
        for (auto seen = slowest.load(); time.count() > seen;) {
          if (slowest.compare_exchange_weak(seen, time.count())) break;
        }
      }
    });
  }
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(dcache::testing::true_in_child([&] {
      bool right = true;
      for (int n = 0; n < 50; ++n) right = right && f(n) == 2 * n;
      return right && f.far_stats()[0].hits > 0;
    }));
  }
  stop = true;
  for (std::thread& thread : traffic) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_LT(std::chrono::nanoseconds(slowest), 2s);
  EXPECT_EQ(f.far_stats()[0].failures, 0U) << "the parent notices nothing";
  RecordProperty("slowest_ms", std::to_string(slowest.load() / 1'000'000));
}

TEST_P(Redis, IsTakenApartByAnotherThreadIfACompletionDropsIt) {
  const auto server = serve();
  auto backend = connect(*server);
  backend->check();
  const std::weak_ptr<RedisBackend> gone = backend;
  server->freeze();
  auto op = dcache::engine::make_op(dcache::engine::Verb::get, "a:b",
                                    std::chrono::steady_clock::now() + 20s);
  backend->submit(op);
  op->abandon([dropped = std::move(backend)](dcache::engine::Op&) {});
  op = {};
  server->thaw();
  EXPECT_TRUE(comes_true([&] { return gone.expired(); }));
  EXPECT_TRUE(
      comes_true([&] { return !contains(server->ask({"CLIENT", "LIST"}), "name=dcache"); }));
}

TEST_P(Redis, IsAMissAndNoFailureOfTheCallWhenItIsFull) {
  const auto server = serve();
  const auto f = Cache({connect(*server)}).memoize("twice", twice);
  f(1);
  server->ask({"CONFIG", "SET", "maxmemory", "1"});
  EXPECT_EQ(f(2), 4);
  EXPECT_EQ(f(1), 2);
  EXPECT_STREQ(f.far_stats()[0].breaker, "closed") << "it can be read";
  EXPECT_THROW(f.put(5, 1), TierError);
}

TEST_P(Redis, RefusesAWrongPasswordWithoutSayingIt) {
  const auto server = serve({.lines = {"requirepass right-secret"}});
  RedisOptions options = at(*server);
  options.password = "wrong-secret";
  const std::string why = message_of<ConfigError>([&] { connect(options)->check(); });
  EXPECT_TRUE(contains(why, "WRONGPASS")) << why;
  EXPECT_FALSE(contains(why, "secret")) << why;
  options.password = "";
  EXPECT_TRUE(
      contains(message_of<ConfigError>([&] { connect(options)->check(); }), "wants a password"));

  const auto old = serve({.lines = {"requirepass right-secret", "rename-command HELLO \"\""}});
  EXPECT_TRUE(
      contains(message_of<ConfigError>([&] { connect(*old)->check(); }), "wants a password"))
      << "and so does one without RESP3";

  std::string told;
  CacheOptions cache;
  cache.on_trouble = [&](const std::string& tier, const std::string& trouble) {
    told += tier + ": " + trouble;
  };
  options.password = "wrong-secret";
  const auto f = Cache({connect(options)}, cache).memoize("twice", twice);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(f(1), 2);
  EXPECT_STREQ(f.far_stats()[0].breaker, "open");
  EXPECT_TRUE(contains(told, "WRONGPASS")) << told;
  EXPECT_FALSE(contains(told, "secret")) << told;

  options.password = "right-secret";
  connect(options)->check();
}

TEST_P(Redis, SaysWhichPermissionIsMissing) {
  const auto server = serve({.lines = {"user app on >secret ~* +ping +get"}});
  RedisOptions options = at(*server);
  options.username = "app";
  options.password = "secret";
  std::string told;
  CacheOptions cache;
  cache.on_trouble = [&](const std::string&, const std::string& trouble) { told += trouble; };
  const auto f = Cache({connect(options)}, cache).memoize("twice", twice);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(f(1), 2);
  EXPECT_TRUE(contains(told, "NOPERM")) << told;
}

TEST_P(Redis, SpeaksTlsAndChecksWhoAnswers) {
  const auto server = serve({.tls = true});
  RedisOptions options = at(*server);
  options.host = "localhost";
  options.tls = true;
  EXPECT_NE(message_of<ConfigError>([&] { connect(options)->check(); }), "")
      << "nobody said that its CA is to be trusted";
  options.ca_file = server->ca();
  connect(options)->check();
  const auto f = Cache({connect(options)}).memoize("twice", twice);
  f(1);
  f(1);
  EXPECT_EQ(f.far_stats()[0].hits, 1U);

  options.host = "127.0.0.1";
  EXPECT_NE(message_of<ConfigError>([&] { connect(options)->check(); }), "")
      << "its certificate is for localhost";
  options.server_name = "localhost";
  connect(options)->check();
  options.server_name = "";
  options.verify = false;
  options.ca_file = "";
  connect(options)->check();
  options.ca_file = "/nowhere";
  options.verify = true;
  EXPECT_THROW(connect(options)->check(), ConfigError);
}

TEST_P(Redis, ShowsACertificateOfItsOwn) {
  const auto server = serve({.tls = true, .client_certificates = true});
  RedisOptions options = at(*server);
  options.host = "localhost";
  options.tls = true;
  options.ca_file = server->ca();
  for (int i = 0; i < 20; ++i) {  // Each is another race with a server that says so, and goes.
    const std::string why = message_of<ConfigError>([&] { connect(options)->check(); });
    EXPECT_TRUE(contains(why, "certificate_file")) << why;
  }
  options.certificate_file = server->client_certificate();
  options.key_file = server->client_key();
  connect(options)->check();
}

TEST_P(Redis, IsOpenedByUrl) {
  const auto server = serve({.lines = {"requirepass s:e@c"}});
  const std::string port = std::to_string(server->port());
  const auto tcp = open_backend("redis://default:s%3Ae%40c@127.0.0.1:" + port +
                                "/3?timeout=5s&connect_timeout=5s&lease=2s");
  tcp->check();
  EXPECT_EQ(tcp->name(), "redis://127.0.0.1:" + port + "/3");
  EXPECT_EQ(tcp->budget(), 5s);
  const auto local = open_backend("redis+unix://:s%3Ae%40c@" + server->socket() + "?db=1");
  local->check();
  EXPECT_EQ(local->name(), "redis+unix://" + server->socket() + "?db=1");
  EXPECT_THROW(open_backend("redis://:s%3Ae%40c@127.0.0.1:" + port + "/99")->check(), ConfigError)
      << "it has sixteen databases";
}

TEST(RedisOptions, ThatCanNeverWorkAreRefusedAtOnce) {
  for (const char* const url : {"redis://localhost:port",
                                "redis://localhost:99999",
                                "redis://localhost/first",
                                "redis://localhost?retries=3",
                                "redis+unix:",
                                "redis+unix://host/path",
                                "redis://localhost?timeout=0",
                                "redis://localhost?lease=1ms",
                                "redis://user@localhost",
                                "redis://localhost?certificate_file=a",
                                "redis://localhost?verify=perhaps",
                                "redis://localhost/1?db=2",
                                "redis://localhost?lease=3s&lease=4s",
                                "redis://localhost?timeout=",
                                "redis://[::1",
                                "redis://[::1]6379",
                                "redis://localhost#x",
                                "redis://cache1,cache2",
                                "redis://localhost?ca_file=ca.pem",
                                "redis://localhost?server_name=cache"}) {
    EXPECT_THROW(open_backend(url), ConfigError) << url;
  }
  EXPECT_FALSE(contains(message_of<ConfigError>([] { open_backend("redis://:secret"); }), "secret"))
      << "its host is missing";
  EXPECT_FALSE(contains(
      message_of<ConfigError>([] { open_backend("redis://:secret@localhost:99999"); }), "secret"));
}

TEST(RedisOptions, DoNothingUntilTheBackendIsUsed) {
  EXPECT_EQ(RedisBackend().name(), "redis://localhost:6379/0");
  EXPECT_EQ(RedisBackend({.host = "::1", .db = 2, .tls = true}).name(), "rediss://[::1]:6379/2");
}

TEST(RedisOptions, NameNoServerThatIsThere) {
  const std::string why =
      message_of<TierError>([] { RedisBackend({.host = "127.0.0.1", .port = 1}).check(); });
  EXPECT_TRUE(contains(why, "redis://127.0.0.1:1/0")) << why;
}

}  // namespace
