// SPDX-License-Identifier: MIT
#include "net/signal.hpp"

#include <cerrno>
#include <cstdint>
#include <system_error>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace dcache::net {

Signal::Signal() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!event_) throw std::system_error(errno, std::generic_category(), "eventfd");
}

void Signal::raise() const noexcept {
  const std::uint64_t one = 1;
  // Fails only if it was raised 2^64 - 2 times: it is readable then.
  [[maybe_unused]] const ssize_t put = ::write(event_.number(), &one, sizeof one);
}

void Signal::clear() const noexcept {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = ::read(event_.number(), &count, sizeof count);
}

void bound_silence(int descriptor, nanoseconds patience) noexcept {
  const auto set = [descriptor](int level, int name, int value) {
    ::setsockopt(descriptor, level, name, &value, sizeof value);
  };
  const auto silence = std::chrono::ceil<std::chrono::milliseconds>(patience);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(silence.count()));
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 15);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 5);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
}

}  // namespace dcache::net
