// SPDX-License-Identifier: MIT
/// What the fuzzers share: how much they try, from which seed, and how they damage bytes.
/// DCACHE_FUZZ_INPUTS says how many inputs are tried, DCACHE_FUZZ_SEED from where.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>

namespace dcache::test {

inline std::uint64_t number_of(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// DCACHE_FUZZ_FEW: the first inputs of a fuzzer, always the same ones, as a test.
#ifdef DCACHE_FUZZ_FEW
inline std::uint64_t fuzz_inputs() { return number_of("DCACHE_FUZZ_INPUTS", 200'000); }
inline std::uint64_t fuzz_seed() { return number_of("DCACHE_FUZZ_SEED", 20261129); }
#else
inline std::uint64_t fuzz_inputs() { return number_of("DCACHE_FUZZ_INPUTS", 10'000'000); }
inline std::uint64_t fuzz_seed() { return number_of("DCACHE_FUZZ_SEED", std::random_device{}()); }
#endif

class Damage {
 public:
  explicit Damage(std::uint64_t seed) : random_(seed) {}

  std::size_t below(std::size_t bound) { return random_() % bound; }

  /// Changes, removes, repeats or adds a few bytes.
  std::string of(std::string bytes) {
    for (std::size_t times = 1 + below(4); times > 0; --times) {
      const std::size_t at = below(bytes.size() + 1);
      switch (below(5)) {
        case 0:
          bytes.resize(at);
          break;
        case 1:
          bytes.insert(at, 1, static_cast<char>(below(256)));
          break;
        case 2:
          bytes.erase(at, below(4));
          break;
        case 3:
          bytes.insert(at, bytes.substr(below(bytes.size() + 1), below(16)));
          break;
        default:
          if (at < bytes.size()) bytes[at] = static_cast<char>(below(256));
      }
    }
    return bytes;
  }

 private:
  std::mt19937_64 random_;
};

}  // namespace dcache::test
