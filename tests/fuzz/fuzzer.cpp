// SPDX-License-Identifier: MIT
// A search for bytes that DCACHE_JUDGE finds read wrongly, led by what code they reach (libFuzzer).
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "fuzz/judges.hpp"

// The name is libFuzzer's. NOLINTNEXTLINE(readability-identifier-naming)
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto& all = dcache::test::judges();
  static const auto& judge = *std::find_if(
      all.begin(), all.end(), [](const auto& each) { return each.name == DCACHE_JUDGE; });
  judge.verdict({reinterpret_cast<const char*>(data), size});
  return 0;
}
