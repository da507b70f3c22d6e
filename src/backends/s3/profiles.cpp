// SPDX-License-Identifier: MIT
#include "backends/s3/profiles.hpp"

#include <algorithm>
#include <cctype>

namespace dcache::s3 {
namespace {

constexpr std::string_view blanks = " \t\r";

std::string_view trimmed(std::string_view text) {
  const std::size_t first = std::min(text.find_first_not_of(blanks), text.size());
  text.remove_prefix(first);
  const std::size_t last = text.find_last_not_of(blanks);
  return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

// A name with blanks is put into quotation marks.
std::string_view unquoted(std::string_view name) {
  const bool quoted = name.size() >= 2 && name.front() == name.back() &&
                      (name.front() == '"' || name.front() == '\'');
  return quoted ? name.substr(1, name.size() - 2) : name;
}

// `[profile name]` in `config`, `[name]` in `credentials`; `[default]` in both. Empty: none.
std::string_view profile_of(std::string_view section, bool prefixed) {
  section = trimmed(section);
  if (!prefixed || section == "default") return unquoted(section);
  constexpr std::string_view word = "profile";
  if (!section.starts_with(word) || section.size() == word.size() ||
      blanks.find(section[word.size()]) == std::string_view::npos) {
    return {};  // `[sso-session …]` and other things.
  }
  return unquoted(trimmed(section.substr(word.size())));
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& letter : out) {
    letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  }
  return out;
}

}  // namespace

Profiles::Profiles(std::string_view config, std::string_view credentials) {
  read(config, true);
  read(credentials, false);
}

void Profiles::read(std::string_view text, bool prefixed) {
  Profile* current = nullptr;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::string_view content = trimmed(line);
    if (content.empty() || content.front() == '#' || content.front() == ';') continue;
    if (content.front() == '[') {
      const std::string_view name = profile_of(content.substr(1, content.find(']') - 1), prefixed);
      current = name.empty() ? nullptr : &profiles_[std::string(name)];
      continue;
    }
    const std::size_t equals = content.find('=');
    // What is indented belongs to the setting above it (`s3 =` and its own settings).
    if (current == nullptr || equals == std::string_view::npos || line.front() == ' ' ||
        line.front() == '\t') {
      continue;
    }
    (*current)[lower(trimmed(content.substr(0, equals)))] = trimmed(content.substr(equals + 1));
  }
}

const Profile* Profiles::find(std::string_view name) const {
  const auto found = profiles_.find(name);
  return found == profiles_.end() ? nullptr : &found->second;
}

}  // namespace dcache::s3
