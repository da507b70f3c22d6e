// SPDX-License-Identifier: MIT
// What S3 costs besides the wire: one caller beside libcurl, which blocks and signs nothing. On the
// server that bench/s3.py starts.
//
//   s3 [--check] [--rounds N]
#include "dcache/backends/s3.hpp"

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <curl/curl.h>

#include "dcache/engine/operation.hpp"
#include "support/s3_server.hpp"

#include "bars.hpp"
#include "paired.hpp"

namespace {

namespace bench = dcache::bench;
namespace engine = dcache::engine;

using namespace std::chrono_literals;

constexpr std::size_t record_size = 4096;
// Requests take a millisecond, and a slice has to hold many of them.
constexpr double slice = 1e8;
// Without a character that would have to be encoded.
const std::string key = "module-f-" + std::string(52, 'a');

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what); }

/// Ours, through the public engine: an operation, which this thread waits for.
class Ours {
 public:
  Ours() : backend_(dcache::test::s3_options()) {
    const auto put = engine::make_op(engine::Verb::put, key, in_time());
    put->items[0].value = std::string(record_size, 'x');
    put->items[0].expires = engine::no_end;
    backend_.submit(put);
    if (!put->wait() || put->items[0].reply != engine::Reply::done) fail("put: " + put->trouble());
  }

  void get() {
    const auto op = engine::make_op(engine::Verb::get, key, in_time());
    op->attend();
    backend_.submit(op);
    if (!op->wait() || op->items[0].value.size() != record_size) std::abort();
  }

 private:
  static engine::SteadyMoment in_time() { return std::chrono::steady_clock::now() + 10s; }

  dcache::S3Backend backend_;
};

/// One connection of libcurl's, which is kept. The bucket lets everybody read.
class Raw {
 public:
  Raw() : curl_(curl_easy_init(), curl_easy_cleanup) {
    const dcache::S3Options options = dcache::test::s3_options();
    const std::string url =
        options.endpoint + '/' + options.bucket + '/' + options.prefix + '/' + key;
    curl_easy_setopt(curl_.get(), CURLOPT_URL, url.c_str());
    curl_write_callback take = [](char* bytes, std::size_t, std::size_t size, void* to) {
      static_cast<std::string*>(to)->append(bytes, size);
      return size;
    };
    curl_easy_setopt(curl_.get(), CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl_.get(), CURLOPT_WRITEDATA, &body_);
  }

  void get() {
    body_.clear();
    if (curl_easy_perform(curl_.get()) != CURLE_OK || body_.size() != record_size) std::abort();
  }

 private:
  std::unique_ptr<CURL, void (*)(CURL*)> curl_;
  std::string body_;
};

int run(const std::vector<std::string>& words) {
  const bench::BarOptions options = bench::bar_options(words, "s3");
  Ours ours;
  Raw raw;
  bench::Paired paired(slice);
  const auto times = [](auto& client) {
    return [&client](unsigned, std::size_t operations) {
      for (std::size_t i = 0; i < operations; ++i) client.get();
    };
  };
  const std::size_t base = paired.add({"libcurl, one caller", 1, nullptr, times(raw)});
  const std::size_t mine = paired.add({"S3Backend, one caller", 1, nullptr, times(ours)});
  paired.run(options.rounds);
  const bool holds = bench::print_bars(
      {bench::bar_of(paired, "one caller, get of 4 KB ÷ libcurl, unsigned", mine, base, 1.15)},
      "ns");
  return holds || !options.check ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "s3: %s\n", error.what());
    return 2;
  }
}
