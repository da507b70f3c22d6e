// SPDX-License-Identifier: MIT
/// One Redis, as its backend asks it: operations become requests to the node in `net`.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "dcache/backends/redis.hpp"
#include "dcache/engine/operation.hpp"

#include "backends/redis/exchange.hpp"
#include "backends/redis/session.hpp"
#include "backends/redis/sizes.hpp"
#include "backends/redis/waits.hpp"
#include "net/node.hpp"

namespace dcache::redis {

/// Thread-safe. REQUIRES: lives as long as anybody waits for one of its operations.
class Server : public std::enable_shared_from_this<Server> {
 public:
  /// Throws ConfigError.
  explicit Server(RedisOptions options);
  ~Server();

  const std::string& name() const noexcept { return terms_.name; }
  std::chrono::nanoseconds budget() const noexcept { return options_.timeout; }
  void submit(const engine::Ref<engine::Op>& op) noexcept;
  void check();
  void close() noexcept;

  /// Those that are due.
  void renew_leases(SteadyMoment now) noexcept;
  bool has_leases() noexcept { return !terms_.leases.empty(); }
  /// Drops what may be the last reference. A completion may do so, on a thread that still has to
  /// leave the connection: another one takes it apart then.
  static void let_go(std::shared_ptr<Server> server) noexcept;

 private:
  class OpRequest;
  class Ping;
  class Renewal;

  /// Throws ConfigError for files of TLS that can not be used: they are read when it is first made.
  net::Node& node();
  net::NodeOptions node_options() const;
  void send(const engine::Ref<engine::Op>& op);
  std::string trouble(const net::Trouble& trouble) const;

  const RedisOptions options_;
  Terms terms_;
  Sizes sizes_;
  Waits waits_;
  const std::shared_ptr<Protocol> protocol_;
  std::atomic<net::Node*> node_{nullptr};
  std::atomic<bool> closed_{false};
  std::shared_ptr<Server> itself_;  // On its way to who takes it apart; for good if nobody does.
};

}  // namespace dcache::redis
