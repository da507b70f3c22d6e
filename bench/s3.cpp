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
#include <string>
#include <vector>

#include <curl/curl.h>

#include "support/s3_server.hpp"

#include "alone.hpp"
#include "bars.hpp"

namespace {

namespace bench = dcache::bench;

constexpr std::size_t record_size = 4096;
// Requests take a millisecond, and a slice has to hold many of them.
constexpr double slice = 1e8;
// Without a character that would have to be encoded.
const std::string key = "module-f-" + std::string(52, 'a');

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
  bench::Alone<dcache::S3Backend> ours(dcache::test::s3_options(), key, record_size);
  Raw raw;
  const bool holds =
      bench::print_bars({bench::time_alone(ours, raw, "one caller, get of 4 KB ÷ libcurl, unsigned",
                                           slice, options.rounds, 1.15)},
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
