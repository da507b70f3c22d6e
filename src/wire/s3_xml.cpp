// SPDX-License-Identifier: MIT
#include "wire/s3_xml.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace dcache::xml {
namespace {

constexpr std::array<std::pair<std::string_view, char>, 5> entities{
    {{"lt", '<'}, {"gt", '>'}, {"amp", '&'}, {"quot", '"'}, {"apos", '\''}}};

// The one character of a reference, without `&` and `;`. Beyond ASCII there is none in what we
// look at.
char referenced(std::string_view name) {
  for (const auto& [known, letter] : entities) {
    if (name == known) return letter;
  }
  if (!name.starts_with('#')) return '?';
  name.remove_prefix(1);
  const bool hexadecimal = name.starts_with('x');
  if (hexadecimal) name.remove_prefix(1);
  unsigned point = 0;
  const auto [stop, error] =
      std::from_chars(name.data(), name.data() + name.size(), point, hexadecimal ? 16 : 10);
  const bool fine = error == std::errc() && stop == name.data() + name.size() && point < 128;
  return fine ? static_cast<char>(point) : '?';
}

std::string unescaped(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t at = std::min(text.find('&'), text.size());
    out += text.substr(0, at);
    text.remove_prefix(at);
    const std::size_t end = text.find(';');
    if (text.empty() || end == std::string_view::npos) return out += text;
    out += referenced(text.substr(1, end - 1));
    text.remove_prefix(end + 1);
  }
  return out;
}

// What is between the tags of the next one; `rest` is then what follows it.
std::optional<std::string_view> next(std::string_view& rest, std::string_view element) {
  const std::string open = '<' + std::string(element);
  const std::string close = "</" + std::string(element) + '>';
  for (;;) {
    const std::size_t at = rest.find(open);
    if (at == std::string_view::npos) return std::nullopt;
    rest.remove_prefix(at + open.size());
    if (rest.empty() || (rest.front() != '>' && rest.front() != ' ' && rest.front() != '/')) {
      continue;  // The name of another one begins so.
    }
    const std::size_t inner = rest.find('>');
    if (inner == std::string_view::npos) return std::nullopt;
    const bool is_empty = inner > 0 && rest[inner - 1] == '/';
    rest.remove_prefix(inner + 1);
    if (is_empty) return rest.substr(0, 0);
    const std::size_t end = rest.find(close);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view found = rest.substr(0, end);
    rest.remove_prefix(end + close.size());
    return found;
  }
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  for (const char letter : text) {
    const auto* const known = std::find_if(entities.begin(), entities.end(),
                                           [&](const auto& each) { return each.second == letter; });
    if (known == entities.end()) {
      out += letter;
    } else {
      out.append("&").append(known->first).append(";");
    }
  }
  return out;
}

std::optional<std::string> text_of(std::string_view document, std::string_view element) {
  const auto found = next(document, element);
  return found ? std::optional(unescaped(*found)) : std::nullopt;
}

std::vector<std::string_view> parts(std::string_view document, std::string_view element) {
  std::vector<std::string_view> all;
  while (const auto found = next(document, element)) all.push_back(*found);
  return all;
}

std::string delete_objects(const std::vector<std::string>& keys) {
  std::string out =
      R"(<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Quiet>true</Quiet>)";
  for (const std::string& key : keys) {
    out.append("<Object><Key>").append(escaped(key)).append("</Key></Object>");
  }
  return out += "</Delete>";
}

}  // namespace dcache::xml
