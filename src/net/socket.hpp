// SPDX-License-Identifier: MIT
/// Sockets that never block, addresses, and waiting until one is ready.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sys/socket.h>

#include "net/endpoint.hpp"

namespace dcache::net {

using Moment = std::chrono::steady_clock::time_point;
using std::chrono::nanoseconds;

/// Owns a descriptor, which children that run another program do not inherit.
class Socket {
 public:
  Socket() noexcept = default;
  explicit Socket(int number) noexcept : number_(number) {}
  Socket(Socket&& other) noexcept : number_(other.release()) {}
  Socket& operator=(Socket&& other) noexcept;
  ~Socket();

  explicit operator bool() const noexcept { return number_ >= 0; }
  int number() const noexcept { return number_; }
  int release() noexcept;

 private:
  int number_ = -1;
};

/// "Connection refused", for instance.
std::string describe(int error);

struct Address {
  sockaddr_storage bytes = {};
  socklen_t size = 0;
};

/// Where nobody has to be asked: a unix socket, an address, `localhost`. None: a name.
std::optional<std::vector<Address>> known_addresses(const Endpoint& endpoint);

/// Begins to connect, without delay of small segments. No socket: `error` (an errno) says why. It
/// is connected once it is writable and `connect_error` is 0.
Socket begin_connect(const Address& address, int& error) noexcept;
int connect_error(const Socket& socket) noexcept;

/// What a driver waits for.
struct Interest {
  int descriptor = -1;
  bool write = false;            ///< Besides reading.
  Moment until = Moment::max();  ///< To be looked at again then, whatever happened.
};

struct Ready {
  bool looked = false;  ///< The descriptor was polled: what is not ready here was not.
  bool waits = false;   ///< It was not, and may be waited for by reading (`Stream::read`).
  bool readable = false;
  bool writable = false;
};

/// Milliseconds for poll(2), rounded up, at most an hour; 0 if `until` has come.
int poll_timeout(Moment until, Moment now) noexcept;
/// What poll(2) said.
Ready ready_from(short events) noexcept;
/// Blocks until the descriptor is ready, or the moment has come.
Ready wait_for(const Interest& interest) noexcept;

}  // namespace dcache::net
