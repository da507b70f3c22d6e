// SPDX-License-Identifier: MIT
/// A Redis or Valkey of a test's own: on loopback and on a unix socket, in a temporary folder, gone
/// with the test. Debian's packages redis-tools and valkey-tools have the programs, and no service.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "support/folder.hpp"

namespace dcache::test {

enum class Flavour : std::uint8_t { redis, valkey };
inline const char* name_of(Flavour flavour) {
  return flavour == Flavour::redis ? "redis" : "valkey";
}

struct RedisOptions {
  Flavour flavour = Flavour::redis;
  /// TLS on `port()`, with a certificate for localhost of a CA of its own; the unix socket stays
  /// plain. `client_certificates`: only who shows one of the same CA comes in.
  bool tls = false;
  bool client_certificates = false;
  /// Lines of its configuration, `maxmemory 1mb` for one.
  std::vector<std::string> lines = {};
};

class RedisServer {
 public:
  /// Returns when it answers. Throws std::runtime_error, which says why, if it does not within ten
  /// seconds.
  explicit RedisServer(RedisOptions options = {});
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;
  ~RedisServer();

  std::uint16_t port() const noexcept { return port_; }
  std::string socket() const { return folder_ / "socket"; }
  /// Of TLS: a CA's certificate that both sides have theirs from, and what a client shows.
  std::string ca() const { return folder_ / "ca.crt"; }
  std::string client_certificate() const { return folder_ / "client.crt"; }
  std::string client_key() const { return folder_ / "client.key"; }

  pid_t pid() const noexcept { return pid_; }
  /// Kills it, as a power cut would.
  void kill() noexcept;
  /// Starts it again, empty, on the same port. REQUIRES: it was killed.
  void start();
  /// SIGSTOP: it answers nothing and keeps its connections, until `thaw`.
  void freeze() const noexcept;
  void thaw() const noexcept;

  /// Asks it over the unix socket, by a connection of its own, and shows the reply
  /// (`support/resp.hpp`). Throws std::runtime_error.
  std::string ask(const std::vector<std::string_view>& words) const;

 private:
  void configure() const;
  void make_certificates() const;
  bool answers() const;

  const RedisOptions options_;
  Folder folder_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace dcache::test
