// SPDX-License-Identifier: MIT
/// A table of what was measured, each beside the bar that it has to hold, as Markdown.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "paired.hpp"

namespace dcache::bench {

/// `[--check] [--rounds N]`, as programs with bars take them.
struct BarOptions {
  std::size_t rounds = 41;
  bool check = false;
};
/// Throws std::invalid_argument, which says how `program` is called.
BarOptions bar_options(const std::vector<std::string>& words, const std::string& program);

struct Bar {
  enum class Kind : unsigned char {
    ratio_at_most,
    ratio_at_least,
    added_at_most,  ///< The limit is of the nanoseconds more.
  };

  std::string name;
  double ours = 0;
  double base = 0;
  Spread ratio;  // Round by round.
  Kind kind = Kind::ratio_at_most;
  double limit = 0;

  /// What is held against the limit.
  Spread measured() const;
  bool holds() const;
};

/// Of two pieces, which have run.
Bar bar_of(const Paired& paired, std::string name, std::size_t ours, std::size_t base, double limit,
           Bar::Kind kind = Bar::Kind::ratio_at_most);

/// `unit`: of the figures. True: all hold.
bool print_bars(const std::vector<Bar>& bars, const char* unit);

}  // namespace dcache::bench
