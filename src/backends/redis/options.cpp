// SPDX-License-Identifier: MIT
#include "backends/redis/options.hpp"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include "dcache/error.hpp"

#include "net/endpoint.hpp"

namespace dcache::redis {
namespace {

// Of a unix socket (sockaddr_un), without the NUL behind it.
constexpr std::size_t path_max = 107;

// A URL in place of a host may hold a password: it gets no farther, and is not shown.
bool may_be_host(std::string_view host) noexcept {
  const bool ipv6 = std::count(host.begin(), host.end(), ':') > 1;
  return std::all_of(host.begin(), host.end(), [&](char letter) {
    const auto byte = static_cast<unsigned char>(letter);
    return byte > ' ' && byte != 0x7F && (ipv6 || letter != ':') &&
           std::string_view("/@?#,").find(letter) == std::string_view::npos;
  });
}

}  // namespace

std::string name_of(const RedisOptions& options) {
  const std::string db = std::to_string(options.db);
  if (!options.path.empty()) return "redis+unix://" + options.path + "?db=" + db;
  const net::Endpoint endpoint{options.host, options.port};
  return (options.tls ? "rediss://" : "redis://") + endpoint.name() + '/' + db;
}

void check_options(const RedisOptions& options, const std::string& name) {
  using namespace std::chrono_literals;
  if (options.path.empty() && !may_be_host(options.host)) {
    throw ConfigError(
        "dcache: the host of a Redis is no name and no address; expected one such as "
        "cache.example, 10.0.0.7 or ::1, with its port apart from it (what is written as a URL "
        "goes to dcache(...) itself)");
  }
  if (options.path.empty() && options.host.empty()) {
    throw ConfigError("dcache: a Redis without host and without path; expected one of them");
  }
  const auto refuse = [&](const std::string& option, const std::string& why) {
    throw ConfigError("dcache: " + option + " of " + name + ' ' + why);
  };
  if (options.path.empty() && options.port == 0) refuse("port", "is 0; expected 1 to 65535");
  if (options.path.size() > path_max) {
    refuse("path", "has " + std::to_string(options.path.size()) + " bytes; expected " +
                       std::to_string(path_max) + ", as a unix socket has at most");
  }
  const std::string positive = "is not above zero; expected a duration such as 50ms";
  if (options.timeout <= 0ns) refuse("timeout", positive);
  if (options.connect_timeout <= 0ns) refuse("connect_timeout", positive);
  if (options.lease < 100ms) refuse("lease", "is too short; expected 100ms or more");
  if (!options.username.empty() && options.password.empty()) {
    refuse("username", "has no password; expected both (a user without one takes any)");
  }
  if (options.certificate_file.empty() != options.key_file.empty()) {
    const bool has_key = options.certificate_file.empty();
    refuse(has_key ? "key_file" : "certificate_file",
           std::string("is alone; expected a ") + (has_key ? "certificate_file" : "key_file") +
               " with it");
  }
  if (options.tls) return;
  // Who names a certificate believes that nobody can listen.
  for (const auto& [option, value] : {std::pair("ca_file", &options.ca_file),
                                      std::pair("certificate_file", &options.certificate_file),
                                      std::pair("server_name", &options.server_name)}) {
    if (!value->empty()) refuse(option, "is of TLS, which is off; expected rediss://, or tls on");
  }
}

}  // namespace dcache::redis
