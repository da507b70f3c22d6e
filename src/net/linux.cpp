// SPDX-License-Identifier: MIT
#include "net/linux.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <ctime>
#include <system_error>

#include <linux/futex.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
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

void sleep_on(std::atomic<std::uint32_t>& word, std::uint32_t seen, Moment until) noexcept {
  // CLOCK_MONOTONIC, which is the steady clock. Whoever has no bound looks again after an hour.
  const Moment end = std::min(until, std::chrono::steady_clock::now() + std::chrono::hours(1));
  const auto seconds = std::chrono::floor<std::chrono::seconds>(end.time_since_epoch());
  timespec time{};
  time.tv_sec = seconds.count();
  time.tv_nsec = nanoseconds(end.time_since_epoch() - seconds).count();
  ::syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, seen, &time, nullptr,
            FUTEX_BITSET_MATCH_ANY);
}

void wake_from(std::atomic<std::uint32_t>& word) noexcept {
  ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

}  // namespace dcache::net
