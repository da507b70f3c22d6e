// SPDX-License-Identifier: MIT
// What no client can do without: a request sent and its reply received, by a socket that blocks.
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

/// A connection to that port of the loopback, or -1.
extern "C" int raw_connect(std::uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    return socket;
  }
  ::close(socket);
  return -1;
}

/// Nanoseconds that so many round trips took, whose replies have `expected` bytes; -1: one failed.
extern "C" std::int64_t raw_get(int socket, const char* request, std::size_t size,
                                std::size_t expected, std::int64_t count) {
  std::array<char, 65536> reply;
  const auto began = std::chrono::steady_clock::now();
  for (; count > 0; --count) {
    if (::send(socket, request, size, MSG_NOSIGNAL) != static_cast<ssize_t>(size)) return -1;
    for (std::size_t got = 0; got < expected;) {
      const ssize_t more = ::recv(socket, reply.data(), reply.size(), 0);
      if (more <= 0) return -1;
      got += static_cast<std::size_t>(more);
    }
  }
  return std::chrono::nanoseconds(std::chrono::steady_clock::now() - began).count();
}
