// SPDX-License-Identifier: MIT
/// One attempt to connect: name, socket, TLS and the protocol's greeting, step by step, by whoever
/// drives at the moment. It is over within a bound, but is looked at before it is judged: what
/// nobody drove for a while may have succeeded meanwhile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "net/options.hpp"
#include "net/protocol.hpp"
#include "net/resolver.hpp"
#include "net/socket.hpp"
#include "net/stream.hpp"

namespace dcache::net {

/// What all connections of a node share.
struct Setup {
  NodeOptions options;
  std::shared_ptr<Protocol> protocol;
  std::unique_ptr<TlsContext> tls;  // Null: plain.
};

class Dial {
 public:
  enum class State : std::uint8_t { going_on, done, failed };

  Dial(const Setup& setup, Moment now) noexcept
      : setup_(setup), deadline_(now + setup.options.connect_timeout) {}

  /// Goes as far as it can without blocking.
  State advance(Moment now);
  /// REQUIRES: it is going on.
  Interest interest() const noexcept;

  // When it is done:
  std::unique_ptr<Stream> stream;
  std::unique_ptr<Session> session;
  std::string heard;  ///< What came behind the greeting.
  // When it has failed:
  std::string why;
  bool rejected = false;

 private:
  enum class Stage : std::uint8_t { find, look_up, connect, secure, greet };

  bool step(Moment now);
  bool find();
  bool look_up();
  bool connect(Moment now);
  bool secure();
  bool greet();
  bool send();
  bool lose(Step sent);
  bool hear();
  bool fail(std::string sentence, bool is_rejection = false);

  const Setup& setup_;
  const Moment deadline_;
  Stage stage_ = Stage::find;
  bool done_ = false;
  bool failed_ = false;
  bool wants_write_ = false;
  std::shared_ptr<Resolution> resolution_;
  std::vector<Address> addresses_;
  std::size_t next_address_ = 0;
  Moment next_at_ = Moment::max();  // When the next one is tried, whatever becomes of this one.
  Socket socket_;
  std::string say_;
  bool ask_ = true;        // The session is to be asked what to say.
  bool said_all_ = false;  // It has nothing to add.
};

}  // namespace dcache::net
