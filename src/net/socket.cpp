// SPDX-License-Identifier: MIT
#include "net/socket.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/un.h>
#include <unistd.h>

namespace dcache::net {

Socket& Socket::operator=(Socket&& other) noexcept {
  if (number_ >= 0) ::close(number_);
  number_ = other.release();
  return *this;
}

Socket::~Socket() {
  if (number_ >= 0) ::close(number_);
}

int Socket::release() noexcept { return std::exchange(number_, -1); }

std::string describe(int error) { return std::generic_category().message(error); }

namespace {

template <class Sockaddr>
Address address_of(const Sockaddr& from) {
  Address address;
  std::memcpy(&address.bytes, &from, sizeof from);
  address.size = sizeof from;
  return address;
}

Address unix_address(const std::string& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, path.data(), std::min(path.size(), sizeof name.sun_path - 1));
  return address_of(name);
}

Address address_4(in_addr host, std::uint16_t port) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr = host;
  name.sin_port = htons(port);
  return address_of(name);
}

Address address_6(in6_addr host, std::uint16_t port) {
  sockaddr_in6 name{};
  name.sin6_family = AF_INET6;
  name.sin6_addr = host;
  name.sin6_port = htons(port);
  return address_of(name);
}

}  // namespace

std::optional<std::vector<Address>> known_addresses(const Endpoint& endpoint) {
  if (endpoint.is_unix()) return std::vector{unix_address(endpoint.path)};
  // RFC 6761 section 6.3: the loopback, without asking.
  if (endpoint.host == "localhost") {
    return std::vector{address_4({htonl(INADDR_LOOPBACK)}, endpoint.port),
                       address_6(in6addr_loopback, endpoint.port)};
  }
  in_addr host_4{};
  if (::inet_pton(AF_INET, endpoint.host.c_str(), &host_4) == 1) {
    return std::vector{address_4(host_4, endpoint.port)};
  }
  in6_addr host_6{};
  if (::inet_pton(AF_INET6, endpoint.host.c_str(), &host_6) == 1) {
    return std::vector{address_6(host_6, endpoint.port)};
  }
  return std::nullopt;
}

Socket begin_connect(const Address& address, int& error) noexcept {
  const int family = address.bytes.ss_family;
  Socket socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) {
    error = errno;
    return {};
  }
  if (family != AF_UNIX) {
    const int on = 1;
    ::setsockopt(socket.number(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  const auto* const name = reinterpret_cast<const sockaddr*>(&address.bytes);
  if (::connect(socket.number(), name, address.size) != 0 && errno != EINPROGRESS &&
      errno != EINTR) {
    error = errno;
    return {};
  }
  error = 0;
  return socket;
}

int connect_error(const Socket& socket) noexcept {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(socket.number(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
  return error;
}

int poll_timeout(Moment until, Moment now) noexcept {
  if (until <= now) return 0;
  constexpr std::chrono::milliseconds longest = std::chrono::hours(1);
  if (until - now >= longest) return static_cast<int>(longest.count());
  return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(until - now).count());
}

Ready ready_from(short events) noexcept {
  // What went wrong with a socket is said by reading it.
  return {.looked = true,
          .readable = (events & (POLLIN | POLLERR | POLLHUP | POLLNVAL)) != 0,
          .writable = (events & (POLLOUT | POLLERR | POLLHUP)) != 0};
}

Ready wait_for(const Interest& interest) noexcept {
  pollfd entry{.fd = interest.descriptor,
               .events = static_cast<short>(interest.write ? POLLIN | POLLOUT : POLLIN),
               .revents = 0};
  const int timeout = poll_timeout(interest.until, std::chrono::steady_clock::now());
  const int count = ::poll(&entry, 1, timeout);
  if (count < 0) return {};  // A signal came: nothing was looked at.
  return ready_from(entry.revents);
}

}  // namespace dcache::net
