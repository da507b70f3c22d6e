// SPDX-License-Identifier: MIT
/// Bytes to and from a peer, plain or by TLS (`net/tls.hpp`). Nothing blocks unless it is told to.
///
/// Threads: one reads and one writes at the same time.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "net/socket.hpp"

namespace dcache::net {

/// What a step of a stream came to.
struct Step {
  enum class State : std::uint8_t {
    moved,    ///< `bytes` of them, > 0; of a handshake: it is complete.
    blocked,  ///< Nothing could be moved before the socket is readable, or see `wants_write`.
    ended,    ///< The peer has closed. Of reading.
    failed,   ///< `why`. The stream is of no use any more.
  };

  State state = State::blocked;
  std::size_t bytes = 0;
  /// Of `blocked`: the socket has to be writable first. Reading may, too, under TLS.
  bool wants_write = false;
  /// Of `failed`: the peer is not the one that was meant (TLS).
  bool rejected = false;
  std::string why = {};
};

class Stream {
 public:
  Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  virtual ~Stream() = default;

  /// Before the first byte of ours; until it has `moved`.
  virtual Step handshake() = 0;
  /// REQUIRES: size > 0. `waits`: blocks for at most `wait_max` if nothing is there; where the
  /// stream can. To poll first costs a lone caller 5 % of a round trip.
  virtual Step read(char* place, std::size_t size, bool waits) = 0;
  virtual bool can_wait() const noexcept = 0;
  /// As the kernel rounds it: a tick more.
  static constexpr std::chrono::milliseconds wait_max{10};
  /// Of all pieces, one after the other, as many bytes as can be taken at once; at least one is
  /// not empty. What was `blocked` is tried again with the same bytes first.
  virtual Step write(std::span<const std::string_view> pieces) = 0;
  /// Whether a read of fewer bytes than asked for means that no more are there.
  virtual bool short_read_is_last() const noexcept = 0;
  /// The peer, and whoever polls, learns that it is over.
  virtual void shut_down() noexcept = 0;
  virtual int descriptor() const noexcept = 0;
};

/// Without TLS. The socket blocks from here on where nobody says otherwise.
std::unique_ptr<Stream> plain_stream(Socket socket);

}  // namespace dcache::net
