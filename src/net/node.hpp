// SPDX-License-Identifier: MIT
/// One server, as a backend sees it: requests go in, each completes once.
///
/// All callers share one pipelined connection, and a second one for `bulk`: a large value on the
/// way would hold up every small one behind it (a loop of 4 MB replies moves small ones from 22 us
/// to 1100). A lone caller that blocks drives the socket himself; under load, and for callers that
/// do not block, an I/O thread does. A connection is made when it is first asked for, and again
/// when it is asked for after it was lost, at once if it had worked, else after a growing and
/// jittered delay. Within that delay requests fail at once. What was sent over the lost one fails,
/// unless it may be sent twice (`Request::repeatable`).
///
/// A server that takes bytes and answers nothing is found out by its oldest reply: when that is
/// past its deadline, and `patience` has gone by without any reply, the connection is dead and its
/// requests fail.
///
/// Threads: any, for every method. Making a node does no I/O and starts no thread.
/// Fork: a child starts with no connection and makes its own; requests of the parent's never
/// complete in it, except that `wait` says `closed`.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "dcache/engine/drivable.hpp"
#include "dcache/engine/lock.hpp"
#include "dcache/engine/ref.hpp"

#include "net/options.hpp"
#include "net/protocol.hpp"
#include "net/request.hpp"

namespace dcache::net {

/// Who waits for a request.
enum class Waiting : std::uint8_t {
  thread,  ///< This thread comes to `Node::wait` soon. Nobody else may drive until it does.
  nobody,  ///< `Request::done` tells.
};

/// Which connection a request takes.
enum class Traffic : std::uint8_t { small, bulk };

/// What has happened since the node was made, in this process.
struct NodeStats {
  std::size_t in_flight = 0;
  std::uint64_t connects = 0;    ///< Connections that greeted well.
  std::uint64_t failures = 0;    ///< Attempts that failed, and connections that ended.
  std::uint64_t takeovers = 0;   ///< Times that the I/O thread took a connection over.
  std::uint64_t give_backs = 0;  ///< Times that it gave one back.
};

class Node {
 public:
  /// Throws ConfigError for options that can never work: bounds, paths, certificates.
  Node(NodeOptions options, std::shared_ptr<Protocol> protocol);
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  /// Closes, and waits at most `close_timeout`. REQUIRES: nobody is inside any method.
  ~Node();

  static constexpr std::chrono::seconds close_timeout{1};

  /// Takes the request, which completes once from here on, if refused within this call. A node
  /// keeps a reference as long as it needs the request.
  void submit(const engine::Ref<Request>& request, Waiting waiting,
              Traffic traffic = Traffic::small) noexcept;
  /// The same for a small one that an event loop waits for: it drives the connection that this
  /// returns, as far as `Request::looped`. Null: it was refused.
  engine::Drivable* submit_looped(const engine::Ref<Request>& request, const void* loop) noexcept;

  /// Blocks until the request has completed or `until` has come. It may drive the socket meanwhile,
  /// and complete requests of others. True: completed. False: the I/O thread looks after it from
  /// now on; it may be waited for again, or abandoned.
  /// REQUIRES: it was submitted here, for `Waiting::thread` or not.
  bool wait(Request& request, Moment until) noexcept;

  /// Nobody will wait for it after all: `Request::done` tells.
  void hand_over(Request& request) noexcept;

  /// While somebody listens, the I/O thread keeps the connection of small requests, so that pushes
  /// are read as they come. It does not make one: `Session::closed` says that there is none any
  /// more. As many calls with false as with true.
  void listen(bool on) noexcept;

  /// Refuses from now on (so does a child forked later), waits at most `timeout` for replies, then
  /// fails what is left. True: nothing of this node runs any more. May be called again.
  bool close(nanoseconds timeout) noexcept;

  NodeStats stats() const noexcept;
  const NodeOptions& options() const noexcept { return options_; }

 private:
  struct Connections;

  Connections& connections() const;
  Connection* connection_for(Request& request, Traffic traffic) noexcept;

  const NodeOptions options_;
  const std::shared_ptr<Protocol> protocol_;
  mutable engine::Lock making_;
  // Those of another generation are a parent's: they are never used or destroyed.
  mutable std::atomic<Connections*> connections_{nullptr};
  std::atomic<bool> closed_{false};
};

}  // namespace dcache::net
