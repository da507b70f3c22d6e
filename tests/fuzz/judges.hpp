// SPDX-License-Identifier: MIT
/// What has to hold of any bytes, one judge for each thing that reads bytes of others.
///
/// The corpus (tests/fuzz/corpus/NAME) is judged in every test run; `make fuzz` starts from it.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace dcache::test {

struct Judge {
  std::string name;
  /// What the bytes are, in one word or a few: the name of a fault, for one. Throws
  /// std::logic_error if they were read as they must not be.
  std::function<std::string(std::string_view bytes)> verdict;
};

const std::vector<Judge>& judges();

}  // namespace dcache::test
