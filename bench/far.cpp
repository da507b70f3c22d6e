// SPDX-License-Identifier: MIT
// What far tiers cost besides what cannot be done without: keys beside their SHA-256, records
// beside nothing, files beside open, read and close, a near hit of a chain beside a near hit.
//
//   far [--check] [--rounds N]
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <unistd.h>

#include "dcache/dcache.hpp"
#include "dcache/engine/far_key.hpp"
#include "dcache/engine/record.hpp"
#include "dcache/engine/tiers.hpp"

#include "bars.hpp"
#include "hits.hpp"
#include "paired.hpp"

namespace {

namespace bench = dcache::bench;
namespace engine = dcache::engine;

class Folder {
 public:
  Folder() {
    if (mkdtemp(path_.data()) == nullptr) throw std::runtime_error("no temporary folder");
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }
  const std::string& path() const noexcept { return path_; }

 private:
  std::string path_ = (std::filesystem::temp_directory_path() / "dcache-bench-XXXXXX").string();
};

struct Row {
  std::string name;
  std::size_t ours;
  std::size_t base;
  double limit;
  bench::Bar::Kind kind = bench::Bar::Kind::ratio_at_most;
};

std::string canonical_of(int number, const std::string& text) {
  static const std::string function = engine::canonical_prefix("module:f", "");
  std::string bytes = function;
  dcache::Encoder out(bytes, dcache::Encoder::Form::key);
  out.array(2);
  out.write(number);
  out.write(text);
  return bytes;
}

void add_key(bench::Paired& paired, std::vector<Row>& rows) {
  static const std::string text = "abc";
  static const std::string prefix = engine::key_prefix("", "module:f");
  static const std::string bytes = canonical_of(1, text);
  const auto sha = paired.add({"SHA-256 of the same bytes, context reused", 1, nullptr,
                               [](unsigned, std::size_t operations) {
                                 static EVP_MD* const algorithm =
                                     EVP_MD_fetch(nullptr, "SHA256", nullptr);
                                 static EVP_MD_CTX* const context = EVP_MD_CTX_new();
                                 unsigned char digest[32];
                                 for (std::size_t i = 0; i < operations; ++i) {
                                   EVP_DigestInit_ex2(context, algorithm, nullptr);
                                   EVP_DigestUpdate(context, bytes.data(), bytes.size());
                                   EVP_DigestFinal_ex(context, digest, nullptr);
                                   benchmark::DoNotOptimize(digest);
                                 }
                               }});
  const auto key =
      paired.add({"far key of f(1, \"abc\"): bytes, digest, text", 1, nullptr,
                  [](unsigned, std::size_t operations) {
                    for (std::size_t i = 0; i < operations; ++i) {
                      benchmark::DoNotOptimize(engine::far_key(prefix, canonical_of(1, text)));
                    }
                  }});
  rows.push_back({"far key of `f(1, \"abc\")` ÷ SHA-256 of the same bytes", key, sha, 2.0});
}

void add_record(bench::Paired& paired, std::vector<Row>& rows) {
  static const engine::FarKey key =
      engine::far_key(engine::key_prefix("", "module:f"), canonical_of(1, "abc"));
  static const engine::Mark mark{};
  static const std::string payload = dcache::encode(std::string("a small value of thirty bytes."));
  const auto plain = paired.add(
      {"the value's bytes, copied twice", 1, nullptr, [](unsigned, std::size_t operations) {
         for (std::size_t i = 0; i < operations; ++i) {
           std::string out = payload;
           benchmark::DoNotOptimize(out);
           std::string back = out;
           benchmark::DoNotOptimize(back);
         }
       }});
  const auto record = paired.add(
      {"a record around them, written and read", 1, nullptr, [](unsigned, std::size_t operations) {
         engine::RecordReader reader;
         engine::Record read;
         std::string out;
         for (std::size_t i = 0; i < operations; ++i) {
           out.clear();
           engine::append_record(out, key, {1, 2, 3, 4}, "cbor", {&mark, 1}, payload, {});
           if (reader.read(out, key, {}, read) != engine::RecordFault::none) std::abort();
           benchmark::DoNotOptimize(read);
         }
       }});
  rows.push_back({"record around a small value, written and read: ns more", record, plain, 150,
                  bench::Bar::Kind::added_at_most});
}

void add_files(bench::Paired& paired, std::vector<Row>& rows, const Folder& folder) {
  static const std::string bare = folder.path() + "/bare";
  static dcache::FileBackend files(folder.path() + "/cache");
  const std::string content(4096, 'x');
  const auto put = engine::make_op(engine::Verb::put, "module:f:key", engine::SteadyMoment::max());
  put->items[0].value = content;
  put->items[0].expires = std::int64_t{4'000'000'000} * 1'000'000;
  files.submit(put);
  std::FILE* const file = std::fopen(bare.c_str(), "wb");
  std::fwrite(content.data(), 1, content.size(), file);
  std::fclose(file);
  const auto raw =
      paired.add({"open, read and close of 4 KB", 1, nullptr, [](unsigned, std::size_t operations) {
                    char bytes[4096];
                    for (std::size_t i = 0; i < operations; ++i) {
                      const int number = open(bare.c_str(), O_RDONLY | O_CLOEXEC);
                      if (read(number, bytes, sizeof bytes) != sizeof bytes) std::abort();
                      close(number);
                      benchmark::DoNotOptimize(bytes);
                    }
                  }});
  const auto ours =
      paired.add({"FileBackend: get of 4 KB", 1, nullptr, [](unsigned, std::size_t operations) {
                    for (std::size_t i = 0; i < operations; ++i) {
                      const auto op = engine::make_op(engine::Verb::get, "module:f:key",
                                                      engine::SteadyMoment::max());
                      files.submit(op);
                      if (op->items[0].value.size() != 4096) std::abort();
                      benchmark::DoNotOptimize(op->items[0].value);
                    }
                  }});
  rows.push_back({"`FileBackend`, get of 4 KB ÷ open + read + close", ours, raw, 1.3});
}

int run(const std::vector<std::string>& words) {
  const bench::BarOptions options = bench::bar_options(words, "far");
  const Folder folder;
  bench::Paired paired(bench::Paired::short_slice);
  std::vector<Row> rows;
  add_key(paired, rows);
  add_record(paired, rows);
  add_files(paired, rows, folder);
  const auto [chained, alone] =
      bench::add_near_hits(paired, {"memory:", "file://" + folder.path() + "/hits"});
  rows.push_back({"near hit of a chain ÷ near hit with `ttl` alone", chained, alone, 1.1});
  paired.run(options.rounds);
  std::vector<bench::Bar> bars;
  for (const Row& row : rows) {
    bars.push_back(bench::bar_of(paired, row.name, row.ours, row.base, row.limit, row.kind));
  }
  return !bench::print_bars(bars, "ns") && options.check ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "far: %s\n", error.what());
    return 2;
  }
}
