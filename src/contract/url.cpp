// SPDX-License-Identifier: MIT
// RFC 3986, as far as stores are named by it.
#include "dcache/engine/url.hpp"

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

#include "dcache/error.hpp"

namespace dcache::engine {
namespace {

int digit(char letter) noexcept {
  if (letter >= '0' && letter <= '9') return letter - '0';
  letter = static_cast<char>(letter | 32);
  return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape =
        text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0;
    out += escape ? static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2])) : text[i];
    if (escape) i += 2;
  }
  return out;
}

// What is in front of the first `mark`, which is taken off with it; all if there is none.
std::string_view take_until(std::string_view& text, char mark) {
  const std::size_t at = std::min(text.find(mark), text.size());
  const std::string_view part = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return part;
}

char lowered(char letter) noexcept {
  return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}

// A '/' or a '?' in a login ends it too early. What was read is wrong then, and shown nowhere: it
// may be of a password.
void refuse_torn_login(std::string_view scheme, std::string_view authority,
                       std::string_view beyond) {
  if (authority.find_first_of(":@") == std::string_view::npos ||
      beyond.find('@') == std::string_view::npos) {
    return;
  }
  throw ConfigError("dcache: the URL \"" + std::string(scheme) +
                    "://...\" has a '@' after a '/' or a '?': in a user name or password write "
                    "these as %2F and %3F, and a '@' of a path or an option as %40");
}

void refuse_authority(const Url& url, const std::string& why) {
  throw ConfigError("dcache: the URL \"" + url.scheme + "://...\" " + why + "; expected " +
                    url.scheme + "://user:password@host:port");
}

// What is shown nowhere may be of a password whose host was forgotten.
void parse_authority(std::string_view text, Url& url) {
  const std::size_t at = text.rfind('@');
  if (at != std::string_view::npos) {
    std::string_view login = text.substr(0, at);
    url.user = unescaped(take_until(login, ':'));
    url.password = unescaped(login);
    text.remove_prefix(at + 1);
  }
  if (text.starts_with('[')) {  // IPv6.
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) refuse_authority(url, "has a '[' without its ']'");
    url.host = text.substr(1, end - 1);
    text.remove_prefix(end + 1);
    if (!text.empty() && text.front() != ':') refuse_authority(url, "has something after its ']'");
    if (!text.empty()) text.remove_prefix(1);
  } else {
    url.host = unescaped(take_until(text, ':'));
  }
  const bool is_port = std::all_of(text.begin(), text.end(),
                                   [](char digit) { return digit >= '0' && digit <= '9'; });
  if (!is_port) refuse_authority(url, "has a port that is no number");
  url.port = text;
}

}  // namespace

std::string scheme_of(std::string_view url) {
  std::string scheme(url.substr(0, std::min(url.find(':'), url.size())));
  if (scheme.size() == url.size()) return "";
  std::transform(scheme.begin(), scheme.end(), scheme.begin(), lowered);
  const bool is_one = std::all_of(scheme.begin(), scheme.end(), [](char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9') || letter == '+' ||
           letter == '-' || letter == '.';
  });
  return is_one ? scheme : "";
}

Url Url::parse(std::string_view text) {
  Url url;
  url.scheme = scheme_of(text);
  const std::size_t colon = url.scheme.size();
  if (url.scheme.empty()) {
    throw ConfigError(
        "dcache: expected a URL such as file:///var/cache/app or memory:, and got one without a "
        "scheme: \"" +
        std::string(text.find('@') == std::string_view::npos ? text : "...") + '"');
  }
  if (text.find('\0') != std::string_view::npos || text.find("%00") != std::string_view::npos) {
    throw ConfigError("dcache: a URL of the scheme " + url.scheme + ": has a NUL character in it");
  }
  std::string_view rest = text.substr(colon + 1);
  url.whole_ = (url.scheme + ':').append(rest);
  std::string_view hierarchy = take_until(rest, '?');
  if (hierarchy.starts_with("//")) {
    hierarchy.remove_prefix(2);
    const std::size_t slash = std::min(hierarchy.find('/'), hierarchy.size());
    const std::string_view authority = hierarchy.substr(0, slash);
    refuse_torn_login(url.scheme, authority, text.substr(url.scheme.size() + 3 + slash));
    parse_authority(authority, url);
    hierarchy.remove_prefix(slash);
  }
  url.path = unescaped(hierarchy);
  while (!rest.empty()) {
    std::string_view option = take_until(rest, '&');
    const std::string name = unescaped(take_until(option, '='));
    if (!url.options.try_emplace(name, unescaped(option)).second) {
      throw ConfigError("dcache: " + url.text() + " has \"" + name + "\" twice");
    }
  }
  return url;
}

std::string Url::text() const {
  std::string text = scheme + ':';
  if (!host.empty() || path.starts_with('/')) text += "//" + host;
  if (!port.empty()) text += ':' + port;
  return text + path;
}

std::string Url::take(const std::string& option, std::string otherwise) {
  const auto found = options.find(option);
  if (found == options.end()) return otherwise;
  std::string value = std::move(found->second);
  options.erase(found);
  return value;
}

bool Url::take_flag(const std::string& option, bool otherwise) {
  const std::string value = take(option, otherwise ? "true" : "false");
  if (value == "true" || value == "1" || value == "yes") return true;
  if (value == "false" || value == "0" || value == "no") return false;
  throw ConfigError("dcache: " + option + " of " + text() + " is \"" + value +
                    "\"; expected true or false");
}

std::uint64_t Url::take_bytes(const std::string& option, std::uint64_t otherwise) {
  if (!options.contains(option)) return otherwise;
  return parse_bytes(take(option, ""), option + " of " + text());
}

std::chrono::nanoseconds Url::take_duration(const std::string& option,
                                            std::chrono::nanoseconds otherwise) {
  if (!options.contains(option)) return otherwise;
  return parse_duration(take(option, ""), option + " of " + text());
}

std::uint64_t Url::number(const std::string& what, const std::string& text,
                          std::uint64_t most) const {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end || number > most) {
    throw ConfigError("dcache: the " + what + " of " + this->text() + " is \"" + text +
                      "\"; expected a number up to " + std::to_string(most));
  }
  return number;
}

void Url::refuse_others(std::string_view known) const {
  if (options.empty()) return;
  throw ConfigError("dcache: " + text() + " has an option \"" + options.begin()->first +
                    "\"; expected one of: " + std::string(known));
}

}  // namespace dcache::engine
