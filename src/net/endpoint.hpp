// SPDX-License-Identifier: MIT
/// Where a server is.
#pragma once

#include <cstdint>
#include <string>

namespace dcache::net {

struct Endpoint {
  /// A name or an address, without brackets. `localhost` is the loopback, and nobody is asked.
  std::string host = "localhost";
  std::uint16_t port = 0;
  /// Of a unix socket, at most 107 bytes; instead of host and port.
  std::string path = {};

  bool is_unix() const noexcept { return !path.empty(); }
  /// As people write it: `host:port`, `[::1]:port`, the path.
  std::string name() const {
    if (is_unix()) return path;
    const bool brackets = host.find(':') != std::string::npos;
    return (brackets ? "[" + host + "]" : host) + ":" + std::to_string(port);
  }
};

}  // namespace dcache::net
