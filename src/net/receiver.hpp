// SPDX-License-Identifier: MIT
/// What a connection has heard and its session has not consumed yet. Memory is bounded: 64 KiB,
/// and what the session wants to see at once, within its bound.
///
/// Large payloads pass through it: reading 1 MB straight to its place took 206 us where it takes
/// 217 (TCP, loopback), for that place has to be filled before it can be lent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "net/protocol.hpp"
#include "net/stream.hpp"

namespace dcache::net {

/// Whose replies are due.
class Due {
 public:
  /// The request whose reply comes next; null: none is waited for.
  virtual Request* front() = 0;
  /// Its reply is complete.
  virtual void answered() = 0;

 protected:
  ~Due() = default;
};

class Receiver {
 public:
  /// `size_max`: what a session may want to see at once.
  explicit Receiver(std::size_t size_max) noexcept : size_max_(size_max) {}

  enum class State : std::uint8_t {
    drained,  ///< Nothing more is there.
    more,     ///< There may be, without the socket being readable: call again soon.
    blocked,  ///< Nothing more before the socket is writable.
    over,     ///< The connection has ended or is to be ended: `why`.
  };

  /// What has been heard already.
  void begin(std::string_view bytes);
  /// Reads what is there, about 256 KiB at most, and has the session read it. `waits`: as a stream
  /// does.
  State receive(Stream& stream, Session& session, Due& due, bool waits);
  const std::string& why() const noexcept { return why_; }
  /// What the session threw.
  void fail(std::string why) noexcept { why_ = std::move(why); }

 private:
  bool parse(Session& session, Due& due);
  bool understand(const Reading& reading, Session& session, Due& due);
  bool over(std::string why);
  void make_room();
  Step read(Stream& stream, std::size_t& asked, bool waits);

  std::size_t size_max_;
  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;  // What was not consumed is [begin_, end_).
  std::size_t end_ = 0;
  std::size_t wanted_ = 0;  // By the session at once, at least.
  std::string why_;
};

}  // namespace dcache::net
