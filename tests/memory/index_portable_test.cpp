// SPDX-License-Identifier: MIT
// The tests of the index where there are no vector instructions (see CMakeLists.txt).
#include "memory/index_test.cpp"  // NOLINT(bugprone-suspicious-include)
