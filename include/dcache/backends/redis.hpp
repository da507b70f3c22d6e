// SPDX-License-Identifier: MIT
/// Redis and Valkey: results that a fleet shares.
///
///   auto redis = std::make_shared<dcache::RedisBackend>(dcache::RedisOptions{.host = "cache"});
///
/// A look-up is one `GET` on a connection that all threads share. Records expire by themselves;
/// the mark of a function does not, and must not be evicted: give Redis a `maxmemory-policy` that
/// begins with `volatile-`. What processes agree on (who computes, what an invalidation has made
/// worthless) are two small keys beside a record, which go when nobody computes.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "dcache/engine/backend.hpp"

namespace dcache {

struct RedisOptions {
  /// A name or an address.
  std::string host = "localhost";
  std::uint16_t port = 6379;
  /// Of a unix socket, instead of host and port.
  std::string path = {};
  unsigned db = 0;
  /// Of an ACL; empty: the default user.
  std::string username = {};
  /// Empty: none. It is in no message, log or name.
  std::string password = {};

  bool tls = false;
  /// Files in PEM: certificates to trust instead of the system's; what we show, both or none.
  std::string ca_file = {};
  std::string certificate_file = {};
  std::string key_file = {};
  /// The name that the server's certificate has to be for. Empty: `host`.
  std::string server_name = {};
  /// False: any certificate is taken, which protects from nobody who can answer in its place.
  bool verify = true;

  /// What a call may wait for it in all, > 0.
  std::chrono::nanoseconds timeout = std::chrono::milliseconds(100);
  /// For connecting, TLS and login together, > 0. A call waits for it no longer than `timeout`.
  std::chrono::nanoseconds connect_timeout = std::chrono::milliseconds(250);
  /// How long others wait for a process that computes and has died, >= 100 ms. Who lives renews it.
  std::chrono::nanoseconds lease = std::chrono::seconds(10);
};

/// Thread-safe. Connects when it is first used, and again when it has lost its connection. After a
/// fork the child makes connections of its own.
class RedisBackend final : public engine::Backend {
 public:
  /// Does no I/O. Throws ConfigError for options that can never work.
  explicit RedisBackend(RedisOptions options = {});
  ~RedisBackend() override;

  /// `redis://host:6379/0`, `rediss://…` with TLS, `redis+unix:///path?db=0`.
  std::string name() const override;
  engine::Capabilities capabilities() const noexcept override;
  void submit(const engine::Ref<engine::Op>& op) noexcept override;
  /// Connects and logs in. Throws ConfigError for a login or a certificate that is refused.
  void check() override;
  std::chrono::nanoseconds budget() const noexcept override;
  void close() noexcept override;

 private:
  class Store;
  std::shared_ptr<Store> store_;
};

}  // namespace dcache
