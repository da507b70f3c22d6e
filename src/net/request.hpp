// SPDX-License-Identifier: MIT
/// One request of a protocol on its way to a server: an object that completes once.
///
/// Who asks derives from it, puts the bytes to send and a place for the reply into it, and hands it
/// to `Node::submit`. The session of the protocol (`net/protocol.hpp`) writes the reply into that
/// place, then `done` is called. A thread waits with `Node::wait`, and may find itself driving the
/// socket meanwhile; whoever does not block is told by `done`.
///
/// Threads: what the session wrote is seen by `done`, and by whoever sees `completed`. One thread
/// waits at a time.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "dcache/engine/ref.hpp"

namespace dcache::net {

using Moment = std::chrono::steady_clock::time_point;
using std::chrono::nanoseconds;

/// Why a request has no reply.
enum class Fault : std::uint8_t {
  none,         ///< It has one.
  timeout,      ///< Its deadline passed. The connection may be fine.
  unavailable,  ///< There is no connection, or it ended before the reply.
  rejected,     ///< The server was reached and is not to be used: handshake or certificate.
  overloaded,   ///< Too much is under way already; nothing was sent.
  closed,       ///< The node was closed, or is a parent process's.
};

struct Trouble {
  Fault fault = Fault::none;
  /// Whether any byte of it may have reached the server. False: it can be repeated safely.
  bool sent = false;
  /// A sentence for people, without secrets. Never null unless `fault` is none.
  std::shared_ptr<const std::string> why = nullptr;
};

class Connection;
class Lane;
template <int Kind>
class RequestList;

class Request : public engine::Counted {
 public:
  /// A deadline farther away than `longest` from `submit` on is clipped to it.
  explicit Request(Moment deadline) noexcept : deadline_(deadline) {}

  static constexpr std::chrono::seconds longest{60};

  // What is sent, one after the other. All of it, and the place for the reply, are left alone from
  // `submit` until `done`; where that says `timeout`, or the request was abandoned, until `late`.
  std::string head;
  std::string_view body;  ///< What it points at is kept alive by the derived object. Not copied.
  std::string tail;

  /// It does no harm to send it twice, the server may have done it already: where the connection
  /// ends before its reply it goes over the next one, once. Set before `submit`; the session takes
  /// it back when it has taken a part of the reply.
  bool repeatable = false;

  Moment deadline() const noexcept { return deadline_; }
  std::size_t size() const noexcept { return head.size() + body.size() + tail.size(); }

  /// `done` has returned: the reply, or what was in its way, can be read.
  bool completed() const noexcept { return phase() == finished; }
  /// REQUIRES: completed, or called within `done`.
  const Trouble& trouble() const noexcept { return trouble_; }
  /// Nobody waits any more: neither the reply is wanted nor that it be sent. False: it has
  /// completed, or is completing at this moment.
  bool abandon() noexcept;
  /// An event loop drives for it, or has. On that loop's thread.
  bool looped() const noexcept { return care_ == Care::looped; }
  /// Abandoned, or failed while its reply may still come: the session may drop that reply.
  bool unwanted() const noexcept { return phase() != pending; }

  // --- For who drives the connection, with no lock held ---

  /// Completes it. False: it had completed, or was abandoned.
  bool complete(Trouble trouble) noexcept;
  /// It has left its lane: completes it, or else it is late. True: completed.
  bool finish(Trouble trouble) noexcept;

 protected:
  ~Request() override = default;

  /// Told once that it has completed, unless it was abandoned: on the thread that drives the
  /// socket, which may be any caller's, with no lock held. Has to be short.
  virtual void done() noexcept {}
  /// Told once, if it was abandoned or failed with `timeout`: the reply has come, or never will.
  /// From here on nobody touches the request. Like `done`. Who answers for somebody else whose time
  /// he does not have to keep may pass over `timeout` and answer here.
  virtual void late() noexcept {}

 private:
  friend class Connection;
  friend class Lane;
  template <int Kind>
  friend class RequestList;

  // Who is expected to drive the socket for it (guarded by the lane's lock).
  enum class Care : std::uint8_t {
    coming,  // A thread submitted it and will wait.
    asleep,  // A thread waits, and can be made the leader.
    leader,  // A thread waits and drives.
    looped,  // An event loop waits, and drives as long as nobody else has to.
    orphan,  // Nobody comes: the I/O thread has to.
  };
  enum Phase : std::uint32_t { pending, finishing, finished, dropped };
  // Of the state. Besides the phase: a thread sleeps on it; that thread is to drive.
  static constexpr std::uint32_t phases = 3;
  static constexpr std::uint32_t sleeping = 4;
  static constexpr std::uint32_t leading = 8;

  Phase phase() const noexcept {
    return static_cast<Phase>(state_.load(std::memory_order_acquire) & phases);
  }
  bool move_on(Phase to) noexcept;
  bool settled() const noexcept { return phase() == finished || phase() == dropped; }
  bool may_be_repeated() const noexcept { return repeatable && !repeated_ && !unwanted(); }
  // Whoever waits for it drives from now on.
  void tell_to_lead() noexcept;
  // For the thread that waits: sleeps until it is completed or made the leader. False: `until` came
  // first.
  bool sleep(Moment until) noexcept;

  Moment deadline_;
  std::atomic<std::uint32_t> state_{pending};
  Trouble trouble_;

  Connection* connection_ = nullptr;  // Written by submit.
  Request* links_[2] = {};            // In lists.

  // --- The lane's, guarded by its lock ---
  Request* next_ = nullptr;
  Request* previous_ = nullptr;
  Moment submitted_;
  std::uint64_t end_ = 0;  // Where its bytes end in the connection's stream; 0: not taken to send.
  Care care_ = Care::orphan;
  bool queued_ = false;
  bool repeated_ = false;
};

/// Owns requests, in order, and allocates nothing. A request is in one list of a kind at a time.
template <int Kind>
class RequestList {
 public:
  RequestList() noexcept = default;
  RequestList(RequestList&& other) noexcept { swap(other); }
  RequestList& operator=(RequestList other) noexcept {
    swap(other);
    return *this;
  }
  ~RequestList() {
    while (pop()) {
    }
  }

  bool empty() const noexcept { return first_ == nullptr; }
  void push(engine::Ref<Request> request) noexcept {
    Request* const added = request.leak();
    added->links_[Kind] = nullptr;
    (last_ != nullptr ? last_->links_[Kind] : first_) = added;
    last_ = added;
  }
  /// The first one; null if there is none.
  engine::Ref<Request> pop() noexcept {
    Request* const request = first_;
    if (request == nullptr) return {};
    first_ = request->links_[Kind];
    if (first_ == nullptr) last_ = nullptr;
    return engine::Ref<Request>::adopt(request);
  }
  void swap(RequestList& other) noexcept {
    std::swap(first_, other.first_);
    std::swap(last_, other.last_);
  }

 private:
  Request* first_ = nullptr;
  Request* last_ = nullptr;
};

/// The driver's: taken out of a lane, or to be failed.
using Requests = RequestList<0>;
/// A writer's: dropped before they were sent, or answered while he may still look at their bytes.
using Unsent = RequestList<1>;

}  // namespace dcache::net
