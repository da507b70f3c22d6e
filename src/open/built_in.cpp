// SPDX-License-Identifier: MIT
#include "open/built_in.hpp"

#include <charconv>
#include <cstdint>
#include <system_error>
#include <utility>

#include "dcache/backends/file.hpp"
#include "dcache/backends/redis.hpp"
#include "dcache/error.hpp"

namespace dcache::engine {
namespace {

std::uint64_t whole(const Url& url, const std::string& what, const std::string& text,
                    std::uint64_t most) {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end || number > most) {
    throw ConfigError("dcache: the " + what + " of " + url.text() + " is \"" + text +
                      "\"; expected a number up to " + std::to_string(most));
  }
  return number;
}

std::shared_ptr<Backend> open_file(Url url) {
  if (!url.host.empty() && url.host != "localhost") {
    throw ConfigError("dcache: file://" + url.host + url.path +
                      " names a host; expected three slashes and a path: file:///" + url.host +
                      url.path);
  }
  FileOptions options;
  options.max_bytes = url.take_bytes("max_bytes", options.max_bytes);
  options.allow_shared = url.take_flag("allow_shared", options.allow_shared);
  url.refuse_others("max_bytes, allow_shared");
  return std::make_shared<FileBackend>(url.path, options);
}

// `redis://user:secret@host:6379/0`, `rediss://`, `redis+unix:///path?db=0`.
std::shared_ptr<Backend> open_redis(Url url) {
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
      options.port = static_cast<std::uint16_t>(whole(url, "port", url.port, 65'535));
    }
    db = url.take("db", url.path.size() > 1 ? url.path.substr(1) : "0");
  }
  options.db = static_cast<unsigned>(whole(url, "database", db, 1'000'000));
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

}  // namespace

std::map<std::string, Opener> built_in() {
  return {
      {"file", open_file},
      {"redis", open_redis},
      {"redis+unix", open_redis},
      {"rediss", open_redis},
  };
}

}  // namespace dcache::engine
