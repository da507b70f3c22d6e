// SPDX-License-Identifier: MIT
#include "net/node.hpp"

#include <mutex>
#include <utility>

#include "dcache/engine/fork.hpp"
#include "dcache/error.hpp"

#include "net/connection.hpp"
#include "net/reactor.hpp"

namespace dcache::net {

using engine::Ref;

namespace {

constexpr std::size_t unix_path_max = 107;  // unix(7): 108 with the zero at the end.

void require(bool holds, const NodeOptions& options, const char* what) {
  if (!holds) throw ConfigError("dcache: " + options.endpoint.name() + ": " + what);
}

NodeOptions checked(NodeOptions options) {
  const Endpoint& endpoint = options.endpoint;
  constexpr nanoseconds none = nanoseconds::zero();
  require(endpoint.path.size() <= unix_path_max, options,
          "the path of a unix socket has at most 107 bytes");
  require(endpoint.is_unix() || !endpoint.host.empty(), options, "the host is empty");
  require(endpoint.is_unix() || endpoint.port != 0, options, "expected a port of 1 to 65535");
  require(options.connect_timeout > none, options, "connect_timeout has to be more than 0");
  require(options.patience > none, options, "patience has to be more than 0");
  require(options.backoff_first > none, options, "backoff_first has to be more than 0");
  require(options.backoff_longest > none, options, "backoff_longest has to be more than 0");
  require(options.requests_max > 0, options, "requests_max has to be at least 1");
  require(options.bytes_max > 0, options, "bytes_max has to be at least 1");
  require(options.buffer_max > 0, options, "buffer_max has to be at least 1");
  require(options.handoff > 0, options, "handoff has to be at least 1");
  return options;
}

}  // namespace

// The connections of one process.
struct Node::Connections {
  Connections(const NodeOptions& options, const std::shared_ptr<Protocol>& protocol)
      : setup(new Setup{options, protocol,
                        options.tls
                            ? std::make_unique<TlsContext>(*options.tls, options.endpoint.host)
                            : nullptr}),
        small(new Connection(setup, options.reactor != nullptr ? *options.reactor : io_thread())),
        bulk(new Connection(setup,
                            options.reactor != nullptr ? *options.reactor : bulk_io_thread())) {}

  const std::shared_ptr<const Setup> setup;
  const Ref<Connection> small;
  const Ref<Connection> bulk;
};

Node::Node(NodeOptions options, std::shared_ptr<Protocol> protocol)
    : options_(checked(std::move(options))), protocol_(std::move(protocol)) {
  connections();
}

Node::~Node() {
  close(close_timeout);
  Connections* const last = connections_.load(std::memory_order_acquire);
  if (last->small->is_own()) delete last;
}

// Throws what making TLS throws, in a child of fork.
Node::Connections& Node::connections() const {
  Connections* const there = connections_.load(std::memory_order_acquire);
  if (there != nullptr && there->small->is_own()) return *there;
  auto fresh = std::make_unique<Connections>(options_, protocol_);
  const std::lock_guard held(making_);
  Connections* const old = connections_.load(std::memory_order_acquire);
  if (old != nullptr && old->small->is_own()) return *old;
  if (old != nullptr) {
    old->small->drop_inherited();
    old->bulk->drop_inherited();
  }
  connections_.store(fresh.get(), std::memory_order_release);
  return *fresh.release();
}

void Node::submit(const Ref<Request>& request, Waiting waiting, Traffic traffic) noexcept {
  if (Connection* const connection = connection_for(*request, traffic)) {
    connection->submit(*request, waiting == Waiting::thread);
  }
}

engine::Drivable* Node::submit_looped(const Ref<Request>& request, const void* loop) noexcept {
  Connection* const connection = connection_for(*request, Traffic::small);
  if (connection != nullptr) connection->submit(*request, true, loop);
  return connection;
}

// Null: there is none, and the request has failed.
Connection* Node::connection_for(Request& request, Traffic traffic) noexcept {
  try {
    if (closed_.load(std::memory_order_acquire)) {
      Connection::refuse(request, Fault::closed,
                         options_.endpoint.name() + ": closed by this process");
      return nullptr;
    }
    Connections& both = connections();
    return traffic == Traffic::bulk ? both.bulk.get() : both.small.get();
  } catch (const std::exception& error) {
    Connection::refuse(request, Fault::unavailable, error.what());
    return nullptr;
  }
}

bool Node::wait(Request& request, Moment until) noexcept {
  if (request.completed()) return true;
  Connection& connection = *Connection::of(request);
  return connection.is_own() ? connection.wait(request, until)
                             : Connection::fail_inherited(request);
}

void Node::hand_over(Request& request) noexcept {
  if (request.completed()) return;
  Connection& connection = *Connection::of(request);
  if (connection.is_own()) {
    connection.hand_over(request);
  } else {
    Connection::fail_inherited(request);
  }
}

void Node::listen(bool on) noexcept {
  try {
    connections().small->listen(on ? 1 : -1);
  } catch (const std::exception&) {  // There is no connection that could be listened to.
  }
}

bool Node::close(nanoseconds timeout) noexcept {
  closed_.store(true, std::memory_order_release);
  Connections* const last = connections_.load(std::memory_order_acquire);
  if (!last->small->is_own()) return true;
  const Moment end = std::chrono::steady_clock::now() + timeout;
  const bool small = last->small->close(timeout);
  const auto left = std::max(nanoseconds::zero(), end - std::chrono::steady_clock::now());
  return last->bulk->close(left) && small;
}

NodeStats Node::stats() const noexcept {
  NodeStats stats;
  Connections* const last = connections_.load(std::memory_order_acquire);
  if (last->small->is_own()) {
    last->small->add_to(stats);
    last->bulk->add_to(stats);
  }
  return stats;
}

}  // namespace dcache::net
