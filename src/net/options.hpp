// SPDX-License-Identifier: MIT
/// What a node may be told.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>

#include "net/endpoint.hpp"
#include "net/request.hpp"
#include "net/tls.hpp"

namespace dcache::net {

class Reactor;

/// Times > 0; counts >= 1.
struct NodeOptions {
  Endpoint endpoint;
  std::optional<TlsOptions> tls = std::nullopt;
  /// For finding, connecting, TLS and the protocol's greeting together.
  nanoseconds connect_timeout = std::chrono::milliseconds(250);
  /// How long the oldest reply may be waited for in vain, past which the connection is dead.
  nanoseconds patience = std::chrono::milliseconds(200);
  /// Between two attempts to connect: at first, and at most. Up to half of it is jitter.
  nanoseconds backoff_first = std::chrono::milliseconds(50);
  nanoseconds backoff_longest = std::chrono::seconds(5);
  /// Under way on one connection, more is refused.
  std::size_t requests_max = 65'536;
  std::size_t bytes_max = std::size_t{64} << 20U;
  /// What a session may want to see at once (`Reading::more`).
  std::size_t buffer_max = std::size_t{1} << 20U;
  /// From so many requests under way on, a leader hands over to the I/O thread.
  std::size_t handoff = 2;
  /// Null: the threads of this process, one for small requests and one for bulk. Outlives the node.
  Reactor* reactor = nullptr;
};

}  // namespace dcache::net
