// SPDX-License-Identifier: MIT
// What Redis costs besides the wire: one caller beside a blocking hiredis, 64 threads beside a pool
// of 64 of these, a near hit of a chain beside a near hit. On a server of its own.
//
//   redis [--check] [--rounds N]
#include "dcache/backends/redis.hpp"

#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <hiredis/hiredis.h>

#include "dcache/dcache.hpp"
#include "support/redis_server.hpp"

#include "alone.hpp"
#include "bars.hpp"
#include "crowd.hpp"
#include "hits.hpp"
#include "paired.hpp"

namespace {

namespace bench = dcache::bench;

using namespace std::chrono_literals;

constexpr std::size_t record_size = 100;
constexpr unsigned threads_many = 64;
// As the tiers ask: a function's name, and a digest of 52 letters.
const std::string key = "module:f:" + std::string(52, 'a');

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what); }

using Ours = bench::Alone<dcache::RedisBackend>;

/// A connection of hiredis, which blocks.
class Raw {
 public:
  Raw(const dcache::test::RedisServer& server, std::string name)
      : context_(redisConnect("127.0.0.1", server.port())), name_(std::move(name)) {
    if (!context_ || context_->err != 0) fail("hiredis does not connect");
  }

  void get() {
    std::array<const char*, 2> words{"GET", name_.c_str()};
    const std::array<std::size_t, 2> sizes{3, name_.size()};
    auto* const reply = static_cast<redisReply*>(redisCommandArgv(
        context_.get(), static_cast<int>(words.size()), words.data(), sizes.data()));
    if (reply == nullptr || reply->type != REDIS_REPLY_STRING || reply->len != record_size) {
      std::abort();
    }
    freeReplyObject(reply);
  }

 private:
  struct Free {
    void operator()(redisContext* context) const { redisFree(context); }
  };
  std::unique_ptr<redisContext, Free> context_;
  std::string name_;
};

/// What the record is called there: the only key there is.
std::string name_of_record(const dcache::test::RedisServer& server) {
  const std::unique_ptr<redisContext, void (*)(redisContext*)> context(
      redisConnect("127.0.0.1", server.port()), redisFree);
  auto* const reply = static_cast<redisReply*>(redisCommand(context.get(), "KEYS *"));
  if (reply == nullptr || reply->elements != 1) fail("the record is not there");
  std::string name(reply->element[0]->str, reply->element[0]->len);
  freeReplyObject(reply);
  return name;
}

bench::Bar time_hits(const dcache::test::RedisServer& server, std::size_t rounds) {
  bench::Paired paired(bench::Paired::short_slice);
  const auto [chained, alone] = bench::add_near_hits(
      paired, {"memory:", "redis://127.0.0.1:" + std::to_string(server.port())});
  paired.run(rounds);
  return bench::bar_of(paired, "near hit of `memory, redis` ÷ near hit with `ttl` alone", chained,
                       alone, 1.1);
}

bench::Bar count_together(Ours& ours, const dcache::test::RedisServer& server,
                          const std::string& name, std::size_t rounds) {
  std::vector<Raw> pool;
  for (unsigned i = 0; i < threads_many; ++i) pool.emplace_back(server, name);
  bench::Crowd crowd(threads_many);
  const std::size_t base = crowd.add([&pool](unsigned thread) { pool[thread].get(); });
  const std::size_t mine = crowd.add([&ours](unsigned) { ours.get(); });
  crowd.run(rounds);
  constexpr double thousand = 1e-3;
  return {.name = "64 threads ÷ a pool of 64 blocking hiredis",
          .ours = bench::spread_of(crowd.rates(mine)).median * thousand,
          .base = bench::spread_of(crowd.rates(base)).median * thousand,
          .ratio = bench::ratio_of(crowd.rates(mine), crowd.rates(base)),
          .kind = bench::Bar::Kind::ratio_at_least,
          .limit = 2};
}

int run(const std::vector<std::string>& words) {
  const bench::BarOptions options = bench::bar_options(words, "redis");
  const dcache::test::RedisServer server;
  Ours ours(dcache::RedisOptions{.host = "127.0.0.1", .port = server.port(), .timeout = 5s}, key,
            record_size);
  const std::string name = name_of_record(server);
  Raw raw(server, name);
  const bool alone = bench::print_bars(
      {bench::time_alone(ours, raw, "one caller, get of 100 bytes ÷ blocking hiredis",
                         bench::Paired::long_slice, options.rounds, 1.15),
       time_hits(server, options.rounds)},
      "ns");
  std::printf("\n");
  const bool together =
      bench::print_bars({count_together(ours, server, name, options.rounds)}, "thousand a second");
  return !(alone && together) && options.check ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "redis: %s\n", error.what());
    return 2;
  }
}
