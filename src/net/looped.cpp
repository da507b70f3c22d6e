// SPDX-License-Identifier: MIT
// A connection as an event loop drives it: by turns that never wait.
#include <mutex>
#include <utility>

#include <fcntl.h>

#include "net/connection.hpp"

namespace dcache::net {
namespace {

// What was received and is not read yet may lie where the socket does not tell of it.
constexpr int turns_max = 16;

}  // namespace

Connection::Watch Connection::loop_sends(const void* loop) noexcept {
  if (!is_own()) return {};
  bool watches = false;
  bool looks = false;
  Duties duties;
  {
    const std::lock_guard held(lock_);
    duties = lane_.loop_sends(loop, watches, looks);
  }
  perform(std::move(duties));
  if (looks) watches = turn_of(loop, {});
  return watches ? watch(loop) : Watch{};
}

// A duplicate: the socket may be closed by whoever drives later, and its number be another's.
Connection::Watch Connection::watch(const void* loop) noexcept {
  Duties duties;
  {
    const std::lock_guard held(lock_);
    // Else the loop finds out by what it watches, if it does.
    if (lane_.role() != Lane::Role::none || !lane_.is_open()) return {};
    if (watcher_ == loop && watched_connect_ == connects_) return {.watches = true};
    watched_ = ::fcntl(descriptor_.load(), F_DUPFD_CLOEXEC, 0);
    if (watched_ >= 0) {
      watcher_ = loop;
      watched_connect_ = connects_;
      return {.watches = true, .descriptor = watched_};
    }
    duties = lane_.loop_leaves();
  }
  perform(std::move(duties));
  return {};
}

void Connection::loop_leaves(const void* loop) noexcept {
  if (!is_own()) return;
  Duties duties;
  {
    const std::lock_guard held(lock_);
    if (watcher_ != loop) return;
    watcher_ = nullptr;
    duties = lane_.loop_leaves();
  }
  perform(std::move(duties));
}

bool Connection::loop_turns(const void* loop, int descriptor) noexcept {
  if (!is_own()) return false;
  {
    const std::lock_guard held(lock_);
    if (watcher_ != loop || watched_ != descriptor) return false;
  }
  return turn_of(loop, {.looked = true, .readable = true});
}

bool Connection::turn_of(const void* loop, Ready ready) noexcept {
  bool watches = false;
  {
    const std::lock_guard held(lock_);
    watches = lane_.begin_turn_of(loop);
    if (!watches && watcher_ == loop) watcher_ = nullptr;
  }
  if (!watches) return false;
  Interest next = turn(ready);
  for (int turns = 1; is_unread_ && turns < turns_max; ++turns) next = turn({});
  Duties duties;
  {
    const std::lock_guard held(lock_);
    const bool unfinished = dial_ != nullptr || next.write || is_unread_ ||
                            (stream_ == nullptr && lane_.size() > 0) ||
                            (watcher_ == loop && watched_connect_ != connects_);
    duties = lane_.end_turn_of_loop(unfinished, watches);
    if (!watches && watcher_ == loop) watcher_ = nullptr;
  }
  perform(std::move(duties));
  return watches;
}

}  // namespace dcache::net
