// SPDX-License-Identifier: MIT
// First steps: a slow function that remembers, and the verbs that go with it.
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

#include "dcache/dcache.hpp"

namespace {

// Stands for whatever is slow in your program.
int count_vowels(std::string_view text) {
  std::printf("  counting in \"%.*s\"\n", static_cast<int>(text.size()), text.data());
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  int vowels = 0;
  for (const char letter : text) vowels += std::string_view("aeiou").find(letter) != text.npos;
  return vowels;
}

}  // namespace

int main() {
  const auto vowels = dcache::memoize("vowels", count_vowels);

  std::printf("%d\n", vowels("banana"));  // The body runs,
  std::printf("%d\n", vowels("banana"));  // and here it does not.

  // What would a call return without computing? Nothing, if it would have to compute.
  std::printf("known: banana %s, cherry %s\n", vowels.peek("banana") ? "yes" : "no",
              vowels.peek("cherry") ? "yes" : "no");

  vowels.put(2, "cherry");  // We happen to know: the body need not run.
  std::printf("%d\n", vowels("cherry"));

  vowels.invalidate("banana");  // The world has changed: the next call computes.
  std::printf("%d\n", vowels("banana"));
  std::printf("%d\n", vowels.refresh("banana"));  // Computes at once, and keeps that.

  const dcache::MemoizeStats stats = vowels.stats();
  std::printf("%s: %llu hits, %llu misses\n", vowels.name().c_str(),
              static_cast<unsigned long long>(stats.hits),
              static_cast<unsigned long long>(stats.misses));

  // A function that calls itself: through the memoized one, each step is computed once.
  std::function<long(int)> fibonacci =
      dcache::memoize([&](int n) { return n < 2 ? long{n} : fibonacci(n - 1) + fibonacci(n - 2); });
  std::printf("fibonacci(90) = %ld\n", fibonacci(90));
}

// Prints:
//   counting in "banana"
// 3
// 3
// known: banana yes, cherry no
// 2
//   counting in "banana"
// 3
//   counting in "banana"
// 3
// vowels: 2 hits, 2 misses
// fibonacci(90) = 2880067194370816120
