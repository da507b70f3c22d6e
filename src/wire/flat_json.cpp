// SPDX-License-Identifier: MIT
#include "wire/flat_json.hpp"

#include <charconv>
#include <cstdint>
#include <utility>

namespace dcache::json {
namespace {

constexpr int depth_max = 16;

void append_utf8(std::string& out, std::uint32_t point) {
  const auto put = [&out](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (point < 0x80) {
    put(point);
  } else if (point < 0x800) {
    put(0xC0 | point >> 6U);
    put(0x80 | (point & 63U));
  } else if (point < 0x10000) {
    put(0xE0 | point >> 12U);
    put(0x80 | (point >> 6U & 63U));
    put(0x80 | (point & 63U));
  } else {
    put(0xF0 | point >> 18U);
    put(0x80 | (point >> 12U & 63U));
    put(0x80 | (point >> 6U & 63U));
    put(0x80 | (point & 63U));
  }
}

// Each of its methods is false for what is no JSON.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  bool take(char expected) {
    skip_blanks();
    if (rest_.empty() || rest_.front() != expected) return false;
    rest_.remove_prefix(1);
    return true;
  }

  bool at_end() {
    skip_blanks();
    return rest_.empty();
  }

  bool text(std::string& out) {
    if (!take('"')) return false;
    while (!rest_.empty()) {
      const char letter = rest_.front();
      rest_.remove_prefix(1);
      if (letter == '"') return true;
      if (letter != '\\') {
        out += letter;
      } else if (!escape(out)) {
        return false;
      }
    }
    return false;
  }

  // `flat`: it is text, a number or a word, which is in `out`.
  bool value(std::string& out, bool& flat, int depth = 0) {
    skip_blanks();
    if (rest_.empty() || depth > depth_max) return false;
    const char first = rest_.front();
    flat = first != '{' && first != '[';
    if (first == '"') return text(out);
    if (!flat) return nested(first == '{', depth + 1);
    const std::size_t size = std::min(rest_.find_first_of(",]} \t\r\n"), rest_.size());
    out = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return size != 0;
  }

 private:
  void skip_blanks() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size()));
  }

  bool nested(bool object, int depth) {
    const char last = object ? '}' : ']';
    rest_.remove_prefix(1);
    if (take(last)) return true;
    do {
      std::string ignored;
      bool flat = false;
      if (object && (!text(ignored) || !take(':'))) return false;
      ignored.clear();
      if (!value(ignored, flat, depth)) return false;
    } while (take(','));
    return take(last);
  }

  bool escape(std::string& out) {
    constexpr std::string_view from = "\"\\/bfnrt";
    constexpr std::string_view to = "\"\\/\b\f\n\r\t";
    if (rest_.empty()) return false;
    const char letter = rest_.front();
    rest_.remove_prefix(1);
    if (letter == 'u') return code_point(out);
    const std::size_t at = from.find(letter);
    if (at == std::string_view::npos) return false;
    out += to[at];
    return true;
  }

  bool code_unit(std::uint32_t& unit) {
    if (rest_.size() < 4) return false;
    const char* const first = rest_.data();
    const char* const last = first + 4;
    const auto [stop, error] = std::from_chars(first, last, unit, 16);
    if (error != std::errc() || stop != last) return false;
    rest_.remove_prefix(4);
    return true;
  }

  bool code_point(std::string& out) {
    std::uint32_t point = 0;
    if (!code_unit(point)) return false;
    if (point >= 0xD800 && point < 0xDC00 && rest_.starts_with("\\u")) {
      rest_.remove_prefix(2);
      std::uint32_t second = 0;
      if (!code_unit(second) || second < 0xDC00 || second > 0xDFFF) return false;
      point = 0x10000 + ((point - 0xD800) << 10U) + (second - 0xDC00);
    }
    append_utf8(out, point);
    return true;
  }

  std::string_view rest_;
};

}  // namespace

std::optional<std::map<std::string, std::string>> flat_object(std::string_view text) {
  std::map<std::string, std::string> members;
  Reader reader(text);
  if (!reader.take('{')) return std::nullopt;
  if (reader.take('}')) return reader.at_end() ? std::optional(members) : std::nullopt;
  do {
    std::string name, value;
    bool flat = false;
    if (!reader.text(name) || !reader.take(':') || !reader.value(value, flat)) return std::nullopt;
    if (flat) members[std::move(name)] = std::move(value);
  } while (reader.take(','));
  if (!reader.take('}') || !reader.at_end()) return std::nullopt;
  return members;
}

}  // namespace dcache::json
