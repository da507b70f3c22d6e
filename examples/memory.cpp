// SPDX-License-Identifier: MIT
// The bounded concurrent table behind `memoize`, used by itself.
#include "dcache/memory.hpp"

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

namespace {

// Values that are dear to copy are shared. A reader keeps its page, whatever leaves the table.
using Page = std::shared_ptr<const std::string>;
using Pages = dcache::Memory<std::string, Page>;

Page page_of(char letter, std::size_t size) {
  return std::make_shared<const std::string>(size, letter);
}

std::string path_of(int number) {
  std::string path = "/";
  return path += std::to_string(number);
}

}  // namespace

int main() {
  std::size_t evicted = 0;
  Pages pages({
      .max_entries = std::nullopt,  // The weight decides alone: a thousand characters in all.
      .max_weight = 1000,
      .weigher = [](const std::string&, const Page& page) { return page->size(); },
      .on_removal =
          [&](const std::string&, const Page&, dcache::Cause cause) {
            evicted += cause == dcache::Cause::evicted ? 1 : 0;
          },
  });

  pages.put("/", page_of('a', 400));
  pages.put("/news", page_of('b', 400), {.ttl = 1min});
  const auto root = pages.get(std::string_view("/"));  // Looks up without making a string.
  std::printf("root: %s\n", root ? "there" : "gone");
  if (const auto hit = pages.find("/news")) {  // In place: it stays so until `hit` ends.
    std::printf("news: %zu characters\n", hit.value()->size());
  }

  for (int number = 0; number < 10; ++number) {
    pages.put(path_of(number), page_of('c', 100));
  }
  // Who leaves for whom depends on the hash, which differs from process to process.
  std::printf("weight %s 1000, %s\n", pages.stats().weight <= 1000 ? "within" : "over",
              evicted > 0 ? "some had to leave" : "all are there");
  std::printf("our root has %zu characters still\n", (*root)->size());

  std::printf("too heavy: %s\n", pages.put("/all", page_of('d', 1001)) ? "kept" : "not kept");

  // Any method, from any thread.
  pages.clear();
  {
    std::vector<std::jthread> threads;
    threads.reserve(4);
    for (int number = 0; number < 4; ++number) {
      threads.emplace_back([&pages, number] {
        const std::string path = path_of(number);
        for (int i = 0; i < 1000; ++i) {
          if (!pages.get(path)) pages.put(path, page_of('e', 10));
        }
      });
    }
  }
  std::printf("%zu pages, weight %llu\n", pages.size(),
              static_cast<unsigned long long>(pages.stats().weight));
}

// Prints:
// root: there
// news: 400 characters
// weight within 1000, some had to leave
// our root has 400 characters still
// too heavy: not kept
// 4 pages, weight 40
