// SPDX-License-Identifier: MIT
#include "bars.hpp"

#include <cstdio>
#include <stdexcept>
#include <utility>

namespace dcache::bench {

BarOptions bar_options(const std::vector<std::string>& words, const std::string& program) {
  BarOptions options;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--check") {
      options.check = true;
    } else if (words[i] == "--rounds" && i + 1 < words.size()) {
      options.rounds = std::stoul(words[++i]);
    } else {
      throw std::invalid_argument("usage: " + program + " [--check] [--rounds N]");
    }
  }
  return options;
}

Spread Bar::measured() const {
  if (kind != Kind::added_at_most) return ratio;
  return {ratio.low * base - base, ours - base, ratio.high * base - base};
}

bool Bar::holds() const {
  const double median = measured().median;
  return kind == Kind::ratio_at_least ? median >= limit : median <= limit;
}

Bar bar_of(const Paired& paired, std::string name, std::size_t ours, std::size_t base, double limit,
           Bar::Kind kind) {
  return {.name = std::move(name),
          .ours = paired.nanoseconds(ours).median,
          .base = paired.nanoseconds(base).median,
          .ratio = paired.ratio(ours, base),
          .kind = kind,
          .limit = limit};
}

bool print_bars(const std::vector<Bar>& bars, const char* unit) {
  std::printf("| | %s | of it | ratio%s | quartiles | bar | |\n", unit,
              unit == std::string("ns") ? " or ns more" : "");
  std::printf("|---|--:|--:|--:|--:|--:|---|\n");
  bool all = true;
  for (const Bar& bar : bars) {
    const Spread measured = bar.measured();
    all = all && bar.holds();
    std::printf("| %s | %.0f | %.0f | %.2f | %.2f to %.2f | %s %g | %s |\n", bar.name.c_str(),
                bar.ours, bar.base, measured.median, measured.low, measured.high,
                bar.kind == Bar::Kind::ratio_at_least ? "≥" : "≤", bar.limit,
                bar.holds() ? "holds" : "**fails**");
  }
  return all;
}

}  // namespace dcache::bench
