// SPDX-License-Identifier: MIT
#include "support/proxy.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <stdexcept>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace dcache::test {
namespace {

using namespace std::chrono_literals;

constexpr int look_ms = 5;  // How often the weather is looked at.

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

void reset(int fd) {
  const linger at_once{1, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

// What waits for more to come waits for up to 40 ms, which no fault asked for.
void send_at_once(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

bool send_all(int fd, const char* bytes, std::size_t size) {
  while (size > 0) {
    const ssize_t sent = ::send(fd, bytes, size, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes += sent;
    size -= static_cast<std::size_t>(sent);
  }
  return true;
}

}  // namespace

Proxy::Proxy(std::uint16_t server)
    : server_(server), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listener_, 64) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    ::close(listener_);
    throw std::runtime_error("no proxy");
  }
  port_ = ntohs(address.sin_port);
  accepts_ = std::thread([this] { accept_all(); });
}

Proxy::~Proxy() {
  stop_ = true;
  accepts_.join();
  while (carrying_ > 0) std::this_thread::sleep_for(1ms);
  ::close(listener_);
}

void Proxy::accept_all() {
  while (!stop_) {
    pollfd listener{listener_, POLLIN, 0};
    if (::poll(&listener, 1, look_ms) <= 0) continue;
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    ++carrying_;
    std::thread([this, client] {
      carry(client);
      ::close(client);
      --carrying_;
    }).detach();
  }
}

void Proxy::carry(int client) {
  const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(server_);
  send_at_once(client);
  send_at_once(server);
  bool goes_on =
      weather_ != Weather::refusing &&
      ::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  if (!goes_on) reset(client);
  std::array<char, 65536> bytes{};
  while (goes_on && !stop_) {
    const Weather weather = weather_;
    if (weather == Weather::refusing) {
      reset(client);
      break;
    }
    if (weather == Weather::stalled) {
      std::this_thread::sleep_for(std::chrono::milliseconds(look_ms));
      continue;
    }
    std::array<pollfd, 2> both{{{client, POLLIN, 0}, {server, POLLIN, 0}}};
    if (::poll(both.data(), both.size(), look_ms) <= 0) continue;
    if (both[0].revents != 0) {
      const ssize_t size = ::recv(client, bytes.data(), bytes.size(), 0);
      goes_on = size > 0 && (weather == Weather::deaf ||
                             send_all(server, bytes.data(), static_cast<std::size_t>(size)));
    }
    if (goes_on && both[1].revents != 0) {
      const ssize_t size = ::recv(server, bytes.data(), bytes.size(), 0);
      goes_on = size > 0 && carry_reply(client, bytes.data(), static_cast<std::size_t>(size));
    }
  }
  ::close(server);
}

bool Proxy::carry_reply(int client, const char* bytes, std::size_t size) {
  const std::size_t left = reset_after_;
  if (size > left) {
    send_all(client, bytes, left);
    reset(client);
    reset_after_ = SIZE_MAX;
    return false;
  }
  if (left != SIZE_MAX) reset_after_ = left - size;
  while (weather_ == Weather::dripping && size > 0) {
    if (!send_all(client, bytes++, 1)) return false;
    --size;
    std::this_thread::sleep_for(1ms);
  }
  return send_all(client, bytes, size);
}

}  // namespace dcache::test
