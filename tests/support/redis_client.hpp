// SPDX-License-Identifier: MIT
/// A connection to a Redis over its unix socket, as plain as can be: what a test says itself.
#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "wire/resp.hpp"

namespace dcache::test {

/// Throws std::runtime_error if the server does not answer within ten seconds.
class RedisClient {
 public:
  explicit RedisClient(const std::string& path)
      : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    const timeval patience{10, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      ::close(fd_);
      throw std::runtime_error("no connection to " + path);
    }
  }
  RedisClient(const RedisClient&) = delete;
  RedisClient& operator=(const RedisClient&) = delete;
  ~RedisClient() { ::close(fd_); }

  void send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t size = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (size <= 0) throw std::runtime_error("nothing could be sent");
      bytes.remove_prefix(static_cast<std::size_t>(size));
    }
  }
  /// The next reply, until the one after it.
  resp::Reply& receive() {
    using State = resp::Parser::State;
    for (;;) {
      const State state = parser_.read(rest_);
      if (state == State::whole) return parser_.reply();
      if (state == State::fault) throw std::runtime_error("a malformed reply");
      const ssize_t size = ::recv(fd_, buffer_.data(), buffer_.size(), 0);
      if (size <= 0) throw std::runtime_error("no reply");
      rest_ = {buffer_.data(), static_cast<std::size_t>(size)};
    }
  }

 private:
  const int fd_;
  resp::Parser parser_;
  std::array<char, 65536> buffer_{};
  std::string_view rest_;
};

}  // namespace dcache::test
