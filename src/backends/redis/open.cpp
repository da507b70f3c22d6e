// SPDX-License-Identifier: MIT
#include "backends/redis/open.hpp"

#include <cstdint>
#include <string>
#include <utility>

#include "dcache/backends/redis.hpp"
#include "dcache/error.hpp"

namespace dcache::redis {

std::shared_ptr<engine::Backend> open_url(engine::Url url) {
  RedisOptions options;
  options.username = url.user;
  options.password = url.password;
  options.tls = url.scheme == "rediss";
  std::string db;
  if (url.scheme == "redis+unix") {
    if (!url.host.empty() || url.path.size() < 2) {
      throw ConfigError("dcache: " + url.text() +
                        " has no path; expected three slashes: redis+unix:///run/redis.sock");
    }
    options.path = url.path;
    db = url.take("db", "0");
  } else {
    if (url.path.find('@') != std::string::npos) {  // Not shown: there may be a password before it.
      throw ConfigError("dcache: the URL \"" + url.scheme +
                        ":...\" has its login in its path; expected " + url.scheme +
                        "://user:password@host:6379/0, with '/' and '?' of a password as %2F and "
                        "%3F");
    }
    if (!url.host.empty()) options.host = url.host;
    if (!url.port.empty()) {
      options.port = static_cast<std::uint16_t>(url.number("port", url.port, 65'535));
    }
    const std::string in_path = url.path.size() > 1 ? url.path.substr(1) : "";
    if (!in_path.empty() && url.options.contains("db")) {
      throw ConfigError("dcache: " + url.text() +
                        " has a database in its path and another one in db=; expected one of them");
    }
    db = url.take("db", in_path.empty() ? "0" : in_path);
  }
  options.db = static_cast<unsigned>(url.number("database", db, 1'000'000));
  options.timeout = url.take_duration("timeout", options.timeout);
  options.connect_timeout = url.take_duration("connect_timeout", options.connect_timeout);
  options.lease = url.take_duration("lease", options.lease);
  options.ca_file = url.take("ca_file", "");
  options.certificate_file = url.take("certificate_file", "");
  options.key_file = url.take("key_file", "");
  options.server_name = url.take("server_name", "");
  options.verify = url.take_flag("verify", options.verify);
  url.refuse_others(
      "db, timeout, connect_timeout, lease, ca_file, certificate_file, key_file, server_name, "
      "verify");
  return std::make_shared<RedisBackend>(std::move(options));
}

}  // namespace dcache::redis
