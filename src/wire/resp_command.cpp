// SPDX-License-Identifier: MIT
#include <array>
#include <charconv>

#include "wire/resp.hpp"

namespace dcache::resp {
namespace {

// The longest: a sign and 19 digits.
struct Digits {
  std::array<char, 20> text;
  std::size_t size;

  explicit Digits(std::int64_t number) noexcept
      : size(static_cast<std::size_t>(
            std::to_chars(text.data(), text.data() + text.size(), number).ptr - text.data())) {}
  std::string_view view() const noexcept { return {text.data(), size}; }
};

void append_line(std::string& out, char type, std::size_t number) {
  out += type;
  out.append(Digits(static_cast<std::int64_t>(number)).view()).append("\r\n");
}

}  // namespace

void append_head(std::string& out, std::size_t words) { append_line(out, '*', words); }

void append_word(std::string& out, std::string_view word) {
  constexpr std::size_t frame = 25;  // `$`, 20 digits, twice CR LF.
  out.reserve(out.size() + word.size() + frame);
  append_line(out, '$', word.size());
  out.append(word).append("\r\n");
}

void append_word_head(std::string& out, std::size_t size) { append_line(out, '$', size); }

void append_word(std::string& out, std::int64_t number) { append_word(out, Digits(number).view()); }

void append_command(std::string& out, std::initializer_list<std::string_view> words) {
  append_head(out, words.size());
  for (const std::string_view word : words) append_word(out, word);
}

}  // namespace dcache::resp
