// SPDX-License-Identifier: MIT
/// What the connection engine has to be told about a protocol: how a connection begins, and where a
/// reply ends. Replies come in the order of their requests; pushes may come between them.
///
/// A `Session` belongs to one connection, and one thread at a time calls it, never under a lock:
/// the one that drives the socket, which may be any caller's. It has to be short, and does no I/O.
/// What it throws ends the connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "net/request.hpp"

namespace dcache::net {

/// What a session made of the bytes that it was shown. `used` of them, from the first on, are
/// consumed and never shown again.
struct Reading {
  enum class What : std::uint8_t {
    more,       ///< The message goes on behind the bytes that there are.
    reply,      ///< The reply to the request is complete.
    push,       ///< A message that nobody asked for is complete: `Session::pushed` is next.
    malformed,  ///< `why`. The connection ends, and its requests fail.
  };

  What what = What::more;
  std::size_t used = 0;
  /// Of `more`: how many bytes the session wants to see at once, at least; 0: any.
  std::size_t size = 0;
  /// Of `malformed`: a sentence for people.
  std::string why = {};
};

class Session {
 public:
  Session() = default;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  virtual ~Session() = default;

  enum class Greeting : std::uint8_t {
    more,    ///< `say` is sent, and more bytes are waited for.
    done,    ///< Requests may be sent, after `say`.
    failed,  ///< `say` is no bytes but why, a sentence for people without secrets.
  };
  /// The dialogue before the first request. Called at first with no bytes, then whenever more have
  /// come. Adds `used` for what it consumed of `heard`; the rest is shown again. What it appends to
  /// `say` is sent.
  virtual Greeting greet(std::string_view heard, std::size_t& used, std::string& say) {
    static_cast<void>(heard), static_cast<void>(used), static_cast<void>(say);
    return Greeting::done;
  }

  /// Reads what the server has sent. `bytes`: at least one. `request`: the one whose reply is due,
  /// null if none is. It may be unwanted, at the latest since its deadline: the reply is read all
  /// the same, and may be dropped. A reply may take many calls; requests change after `reply` only.
  virtual Reading read(std::string_view bytes, Request* request) = 0;

  /// A push is complete.
  virtual void pushed() noexcept {}
  /// The connection is over. Its requests fail after this.
  virtual void closed(const std::string& why) noexcept { static_cast<void>(why); }
};

/// A protocol of one node. Any thread, also several at once.
class Protocol {
 public:
  Protocol() = default;
  Protocol(const Protocol&) = delete;
  Protocol& operator=(const Protocol&) = delete;
  virtual ~Protocol() = default;

  /// Of a fresh connection.
  virtual std::unique_ptr<Session> open() = 0;
  /// A batch of `done` and `late` calls has ended, on the thread that made them: the moment to wake
  /// an event loop, once for all of them. Not told of what `Node::submit` refuses within its call.
  virtual void batch_ended() noexcept {}
};

}  // namespace dcache::net
