// SPDX-License-Identifier: MIT
// The first inputs of the fuzzer, always the same ones.
#define DCACHE_FUZZ_FEW
#include "wire/resp_fuzz.cpp"  // NOLINT(bugprone-suspicious-include)
