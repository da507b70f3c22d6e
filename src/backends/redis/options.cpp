// SPDX-License-Identifier: MIT
#include "backends/redis/options.hpp"

#include <algorithm>
#include <chrono>
#include <string_view>

#include "dcache/error.hpp"

#include "net/endpoint.hpp"

namespace dcache::redis {
namespace {

// A URL in place of a host may hold a password: it gets no farther, and is not shown.
bool may_be_host(std::string_view host) noexcept {
  const bool ipv6 = std::count(host.begin(), host.end(), ':') > 1;
  return std::all_of(host.begin(), host.end(), [&](char letter) {
    const auto byte = static_cast<unsigned char>(letter);
    return byte > ' ' && byte != 0x7F && letter != '/' && letter != '@' && (ipv6 || letter != ':');
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
  const auto refuse = [&](const std::string& what) {
    throw ConfigError("dcache: " + what + " of " + name);
  };
  if (options.path.empty() && options.host.empty()) refuse("no host and no path");
  if (options.path.empty() && options.port == 0) refuse("port is 0; expected 1 to 65535, port");
  if (options.path.size() > 107) refuse("more than 107 bytes in the path");
  if (options.timeout <= 0ns) refuse("timeout is not above zero: that");
  if (options.connect_timeout <= 0ns) refuse("connect_timeout is not above zero: that");
  if (options.lease < 100ms) refuse("lease is less than 100 ms: that");
  if (!options.username.empty() && options.password.empty()) {
    refuse("a username without a password: the login");
  }
  if (options.certificate_file.empty() != options.key_file.empty()) {
    refuse("certificate_file and key_file belong together: those");
  }
}

}  // namespace dcache::redis
