// SPDX-License-Identifier: MIT
/// One pipelined connection to a server: the lane's state machine, bound to a socket and threads.
///
/// Whoever drives (`net/lane.hpp`) makes *turns*: connect if there is no connection, read, write,
/// judge. What only the driver touches needs no lock; the lane's lock passes it from one driver to
/// the next.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "dcache/engine/drivable.hpp"
#include "dcache/engine/fork.hpp"
#include "dcache/engine/lock.hpp"

#include "net/backoff.hpp"
#include "net/dial.hpp"
#include "net/lane.hpp"
#include "net/node.hpp"
#include "net/reactor.hpp"
#include "net/receiver.hpp"

namespace dcache::net {

class Connection final : public Reactor::Client, public engine::Drivable {
 public:
  /// `reactor` outlives it.
  Connection(std::shared_ptr<const Setup> setup, Reactor& reactor) noexcept;

  // As those of `Node`.
  void submit(Request& request, bool coming, const void* loop = nullptr) noexcept;
  bool wait(Request& request, Moment until) noexcept;
  void hand_over(Request& request) noexcept;
  void listen(int more) noexcept;
  bool close(nanoseconds timeout) noexcept;
  void add_to(NodeStats& stats) noexcept;

  // As an event loop drives it.
  Watch loop_sends(const void* loop) noexcept override;
  bool loop_turns(const void* loop, int descriptor) noexcept override;
  void loop_leaves(const void* loop) noexcept override;
  engine::Ref<engine::Counted> alive() noexcept override {
    return engine::Ref<engine::Counted>(this);
  }

  /// A forked child lets go of the parent's socket, and of nothing else: whatever the fork caught
  /// half-way stays as it is.
  void drop_inherited() noexcept;
  /// Whether it was made by this process.
  bool is_own() const noexcept { return generation_ == engine::fork_generation(); }

  /// Of a request, on its way.
  static Connection* of(const Request& request) noexcept { return request.connection_; }
  /// It is a parent process's, and never completes here.
  static bool fail_inherited(Request& request) noexcept;
  static void refuse(Request& request, Fault fault, std::string why) noexcept;

 private:
  class Harvest;

  std::optional<Interest> drive(Ready ready) noexcept override;
  void let_go() noexcept override;
  bool lead(Request& request, Moment until) noexcept;
  bool waits_by_reading(const Interest& next, Moment now) const noexcept;
  bool turn_of(const void* loop, Ready ready) noexcept;
  Watch watch(const void* loop) noexcept;
  void perform(Duties duties) noexcept;
  Duties without_thread() noexcept;
  void write() noexcept;

  Interest turn(Ready ready) noexcept;
  bool connect(Moment now);
  void adopt(Moment now);
  void serve(Ready ready, Moment now);
  bool receive(bool waits);
  void expire(Moment now);
  void lose(std::string why, Moment now, Lane::Loss loss,
            Fault fault = Fault::unavailable) noexcept;
  Lane::Loss loss(Lane::Loss working) const noexcept {
    return has_replied_ ? working : Lane::Loss::attempt;
  }
  Duties give_all_up(const char* why) noexcept;
  void finish(Requests& requests, const Trouble& trouble) noexcept;
  Interest interest() noexcept;

  static constexpr const char* closed_here = ": the connection was closed by this process";

  const std::shared_ptr<const Setup> shared_;
  const Setup& setup_ = *shared_;
  Reactor& reactor_;
  const std::uint32_t generation_ = engine::fork_generation();
  std::atomic<int> descriptor_{-1};  // What a child closes.

  engine::Lock lock_;
  // Guarded by lock_.
  Lane lane_;
  bool closed_ = false;                  // Nothing more is taken.
  bool killed_ = false;                  // What is under way fails.
  std::string broken_;                   // What a writer met with.
  Moment refuse_until_ = Moment::min();  // Without a connection. Why, and as what:
  std::shared_ptr<const std::string> refusal_;
  Fault refusal_fault_ = Fault::unavailable;
  std::uint64_t connects_ = 0;
  std::uint64_t failures_ = 0;
  const void* watcher_ = nullptr;  // The loop that watches, and what: of which connection of all.
  int watched_ = -1;
  std::uint64_t watched_connect_ = 0;

  // The driver's. The stream is the writer's, too, and stays as long as there is one.
  std::unique_ptr<Dial> dial_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<Session> session_;
  Receiver receiver_;
  Backoff backoff_;
  bool has_replied_ = false;  // Since this connection was made.
  bool is_unread_ = false;    // There is something to read, whatever the socket says.
  bool wants_write_ = false;  // Reading has to wait until the socket is writable.
};

}  // namespace dcache::net
