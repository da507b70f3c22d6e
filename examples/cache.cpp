// SPDX-License-Identifier: MIT
// Results that outlive the process: a chain of memory and files, and what it does when told to
// forget.
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "dcache/dcache.hpp"

using namespace std::chrono_literals;

namespace {

// A plain aggregate needs nothing to go into files.
struct Quote {
  std::string symbol;
  double price = 0;
};

Quote fetch_quote(const std::string& symbol) {
  std::printf("  asking the exchange for %s\n", symbol.c_str());
  return {symbol, 12.5};
}

void show(const Quote& quote) { std::printf("%s costs %.2f\n", quote.symbol.c_str(), quote.price); }

}  // namespace

int main() {
  const auto folder = std::filesystem::temp_directory_path() / "dcache-example-cache";
  std::filesystem::remove_all(folder);
  const std::string url = "file://" + folder.string();

  const dcache::Cache cache({"memory:", url});
  const auto quote = cache.memoize("quote", fetch_quote, {.ttl = 10min});
  show(quote("ACME"));
  show(quote("ACME"));  // From memory.

  // As if in another process: it has its own memory, and the same files.
  const dcache::Cache other({"memory:", url});
  const auto same_quote = other.memoize("quote", fetch_quote, {.ttl = 10min});
  show(same_quote("ACME"));

  quote.invalidate("ACME");  // Here and in the files.
  show(quote("ACME"));

  for (const auto& tier : quote.far_stats()) {
    std::printf("%llu hits, %llu stores\n", static_cast<unsigned long long>(tier.hits),
                static_cast<unsigned long long>(tier.stores));
  }
  std::filesystem::remove_all(folder);
}

// Prints:
//   asking the exchange for ACME
// ACME costs 12.50
// ACME costs 12.50
// ACME costs 12.50
//   asking the exchange for ACME
// ACME costs 12.50
// 0 hits, 2 stores
