// SPDX-License-Identifier: MIT
/// A type with a bit of everything, for those who damage values.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

namespace dcache::test {

struct Tree {
  std::string name;
  std::vector<Tree> children;
};
using Json = std::variant<std::monostate, bool, std::int64_t, double, std::string>;
using Mixed = std::tuple<std::map<std::string, Json>, std::vector<std::optional<double>>, Tree,
                         std::chrono::nanoseconds, std::chrono::sys_seconds>;

}  // namespace dcache::test
