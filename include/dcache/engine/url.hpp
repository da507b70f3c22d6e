// SPDX-License-Identifier: MIT
/// URLs, as backends are named by them.
///
///   file:///var/cache/app?max_bytes=1GB&allow_shared=true
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "dcache/engine/backend.hpp"

namespace dcache::engine {

/// The parts of a URL, percent-escapes undone.
struct Url {
  std::string scheme;  ///< In lower case; that of a URL does not count (RFC 3986, section 3.1).
  std::string user;
  std::string password;
  std::string host;
  std::string port;
  std::string path;
  std::map<std::string, std::string> options;  ///< After the `?`.

  /// Throws ConfigError for what is no URL; the message does not have the password.
  static Url parse(std::string_view text);
  /// All of it, as it was given but for the case of the scheme: not for messages.
  const std::string& whole() const noexcept { return whole_; }
  /// For messages: without user and password.
  std::string text() const;

  // An option, taken out; `otherwise` if it is not there. Throw ConfigError for another form.
  std::string take(const std::string& option, std::string otherwise);
  bool take_flag(const std::string& option, bool otherwise);
  /// `1GB`, `64MiB`, `4096`: bytes.
  std::uint64_t take_bytes(const std::string& option, std::uint64_t otherwise);
  /// `50ms`, `1h30m`, `90`: seconds where there is no unit.
  std::chrono::nanoseconds take_duration(const std::string& option,
                                         std::chrono::nanoseconds otherwise);
  /// What `text`, the `what` of this URL, says: digits, `most` at most. Throws ConfigError.
  std::uint64_t number(const std::string& what, const std::string& text, std::uint64_t most) const;
  /// Throws ConfigError, which names `known`, for options that nobody took.
  void refuse_others(std::string_view known) const;

 private:
  std::string whole_;
};

/// The scheme of a URL in lower case; empty: it has none.
std::string scheme_of(std::string_view url);

/// Makes the backend that a URL names, without I/O. Throws ConfigError.
using Opener = std::function<std::shared_ptr<Backend>(Url url)>;

/// `"1GB"`, `"64MiB"`, `"4096"`. Throws ConfigError, which calls it `name`.
std::uint64_t parse_bytes(std::string_view text, std::string_view name);
/// `"90s"`, `"1h30m"`, `"50ms"`, `"1.5"`. Throws ConfigError, which calls it `name`.
std::chrono::nanoseconds parse_duration(std::string_view text, std::string_view name);

}  // namespace dcache::engine
