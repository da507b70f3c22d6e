// SPDX-License-Identifier: MIT
// Sizes and durations as people write them.
#include <array>
#include <charconv>
#include <cmath>
#include <string>
#include <utility>

#include "dcache/engine/url.hpp"
#include "dcache/error.hpp"

namespace dcache::engine {
namespace {

using Unit = std::pair<std::string_view, double>;

constexpr std::array<Unit, 9> sizes = {{{"", 1},
                                        {"B", 1},
                                        {"KB", 1e3},
                                        {"MB", 1e6},
                                        {"GB", 1e9},
                                        {"TB", 1e12},
                                        {"KiB", 1024.0},
                                        {"MiB", 1024.0 * 1024},
                                        {"GiB", 1024.0 * 1024 * 1024}}};
// In nanoseconds.
constexpr std::array<Unit, 7> spans = {
    {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}}};

template <std::size_t N>
const double* find(const std::array<Unit, N>& units, std::string_view name) noexcept {
  for (const Unit& unit : units) {
    if (unit.first == name) return &unit.second;
  }
  return nullptr;
}

// A number in front of the text, which is taken off; false: there is none.
bool take_number(std::string_view& text, double& number) noexcept {
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc() || number < 0) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

std::string_view take_word(std::string_view& text) noexcept {
  std::size_t length = 0;
  while (length < text.size() && (text[length] | 32) >= 'a' && (text[length] | 32) <= 'z') ++length;
  const std::string_view word = text.substr(0, length);
  text.remove_prefix(length);
  return word;
}

[[noreturn]] void refuse(std::string_view name, std::string_view text, std::string_view expected) {
  throw ConfigError("dcache: " + std::string(name) + " is \"" + std::string(text) +
                    "\"; expected " + std::string(expected));
}

}  // namespace

std::uint64_t parse_bytes(std::string_view text, std::string_view name) {
  constexpr std::string_view expected = "bytes, such as 4096, 64MiB or 1GB";
  constexpr double most = 9e18;
  std::string_view rest = text;
  double number = 0;
  if (!take_number(rest, number)) refuse(name, text, expected);
  const double* const unit = find(sizes, take_word(rest));
  if (unit == nullptr || !rest.empty() || number * *unit > most) refuse(name, text, expected);
  return static_cast<std::uint64_t>(number * *unit);
}

std::chrono::nanoseconds parse_duration(std::string_view text, std::string_view name) {
  constexpr std::string_view expected = "a duration, such as 50ms, 90s or 1h30m";
  constexpr double most = 9e18;
  std::string_view rest = text;
  double sum = 0;
  do {
    double number = 0;
    if (!take_number(rest, number)) refuse(name, text, expected);
    const std::string_view word = take_word(rest);
    const double* const unit = find(spans, word.empty() && sum == 0 ? "s" : word);
    if (unit == nullptr) refuse(name, text, expected);
    sum += number * *unit;
  } while (!rest.empty());
  if (sum > most) refuse(name, text, expected);
  return std::chrono::nanoseconds(static_cast<std::chrono::nanoseconds::rep>(std::round(sum)));
}

}  // namespace dcache::engine
