// SPDX-License-Identifier: MIT
/// What an event loop does with a node: asks, sends once for many, watches, reads.
#pragma once

#include <chrono>
#include <vector>

#include <poll.h>
#include <unistd.h>

#include "net/echo.hpp"
#include "net/node.hpp"

namespace dcache::net::test {

/// Of one thread.
class Looping {
 public:
  explicit Looping(Node& node) noexcept : node_(node) {}
  Looping(const Looping&) = delete;
  Looping& operator=(const Looping&) = delete;
  ~Looping() {
    unwatch();
    if (connection_ != nullptr) connection_->loop_leaves(this);
  }

  /// Sent by `send`.
  void submit(const engine::Ref<Echo>& request) {
    connection_ = node_.submit_looped(request, this);
    if (connection_ == nullptr) return;
    alive_ = connection_->alive();
    if (!request->looped()) node_.hand_over(*request);
  }
  void send() {
    if (connection_ == nullptr) return;
    const int descriptor = connection_->loop_sends(this).descriptor;
    if (descriptor < 0) return;
    unwatch();
    descriptor_ = descriptor;
  }
  /// What there is to read within that time, if it watches.
  void turn(std::chrono::milliseconds time) {
    pollfd entry{.fd = descriptor_, .events = POLLIN, .revents = 0};
    if (::poll(&entry, 1, static_cast<int>(time.count())) <= 0 || entry.revents == 0) return;
    ++turns;
    if (!connection_->loop_turns(this, descriptor_)) unwatch();
  }
  /// Turns until the request has completed, or some seconds have passed. True: it has.
  bool until(const Echo& request) {
    for (const Moment end = in(10s);
         !request.completed() && std::chrono::steady_clock::now() < end;)
      turn(1ms);
    return request.completed();
  }
  /// It has no more time for it.
  void give_up(Echo& request) {
    node_.hand_over(request);
    request.abandon();
  }
  bool watches() const noexcept { return descriptor_ >= 0; }
  int descriptor() const noexcept { return descriptor_; }
  engine::Drivable& connection() const noexcept { return *connection_; }

  int turns = 0;

 private:
  void unwatch() {
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  }

  Node& node_;
  engine::Drivable* connection_ = nullptr;
  engine::Ref<engine::Counted> alive_;
  int descriptor_ = -1;
};

}  // namespace dcache::net::test
