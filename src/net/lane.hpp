// SPDX-License-Identifier: MIT
/// The requests under way on one connection, and who drives its socket: a state machine without
/// sockets, threads, locks or clocks, so that a test can walk through every hand-off.
///
/// One of three drives. `none`: nobody; all that is under way belongs to threads that are about to
/// come. `lead`: a thread that waits for a request of its own polls, reads, and completes those of
/// others on the way. `io`: the I/O thread does. The driver alone reads, and takes requests out.
/// Whoever submits under `none` and `lead` writes himself, one at a time (the *writer*); under `io`
/// he appends only, and the I/O thread writes what has gathered as soon as somebody has come for
/// one of them.
///
///   none ──a thread waits──────────────────────────► lead
///   none ──somebody submits who will not wait──────► io
///   lead ──done; nothing left, or all are to come──► none
///   lead ──done; one other thread waits────────────► lead, which is woken
///   lead ──done; more, or nobody waits for one─────► io
///   io   ──nothing left, and little load of late───► none
///   io   ──all that is left is one event loop's────► none, and that loop
///
/// An event loop never sleeps for a request, but watches the socket (`loop_sends`): it leads for
/// the length of a turn, and between its turns nobody drives. It does so as long as whatever is
/// under way is its own, or a thread's that has not come yet; else the I/O thread does.
///
/// Invariants: while a thread sleeps, or nobody comes for a request, somebody drives. While a
/// loop's request is under way, somebody drives or that loop watches. Requests leave in the order
/// in which they were submitted, each once.
///
/// Threads: none of its own. Whoever calls holds the lock of the connection; what a call says that
/// there is to do (`Duties`) is done after the lock was let go of. No method throws.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "dcache/engine/ref.hpp"

#include "net/request.hpp"

namespace dcache::net {

/// What the caller of a lane does next, without its lock.
struct Duties {
  bool write = false;  ///< He is the writer: `take`, send, `wrote`, as long as they say so.
  bool wake = false;   ///< The I/O thread has to look at the lane.
  engine::Ref<Request> leader = {};  ///< Whoever waits for it drives now, and has to be told.
};

/// What a writer sends at once, in order.
struct Pieces {
  static constexpr std::size_t most = 64;
  std::string_view each[most];
  std::size_t count = 0;

  std::span<const std::string_view> all() const noexcept { return {each, count}; }
};

struct LaneLimits {
  std::size_t requests_max = 65'536;
  std::size_t bytes_max = std::size_t{64} << 20U;
  std::size_t handoff = 2;
  nanoseconds patience = std::chrono::milliseconds(200);
  /// A loop drives again once nobody else has asked for so long.
  nanoseconds loop_alone_for = std::chrono::milliseconds(10);
};

class Lane {
 public:
  enum class Role : std::uint8_t { none, lead, io };

  explicit Lane(const LaneLimits& limits) noexcept : limits_(limits) {}

  // --- Who asks ---

  /// Whether one more request of `size` bytes is too much.
  bool full(std::size_t size) const noexcept;
  /// `coming`: somebody will `wait` for it or `hand_over`, and that tells the I/O thread: many that
  /// are submitted before are sent as one. Keeps a reference. REQUIRES: not full.
  Duties submit(Request& request, bool coming, Moment now) noexcept;
  /// The same for one that an event loop waits for: `loop` tells it from others. It is sent by
  /// `loop_sends`. False: others are under way; it was submitted as one that somebody comes for.
  bool submit_looped(Request& request, const void* loop, Moment now) noexcept;
  /// A thread waits. `leads`: it does; else it sleeps until it is told something.
  Duties wait(Request& request, bool& leads) noexcept;
  /// The thread that slept has no more time. Nobody comes for the request any more.
  Duties give_up(Request& request) noexcept;
  /// Nobody comes for the request after all.
  Duties hand_over(Request& request) noexcept;
  /// The thread that led has its reply or no more time. `unfinished`: a connection is being made.
  Duties leave(Request& request, bool unfinished) noexcept;
  /// So many more (or fewer) listen to pushes.
  Duties listen(int more) noexcept;

  // --- An event loop ---

  /// What it has submitted goes out. `watches`: it has to watch the socket from now on, and to make
  /// turns; else somebody else drives. `looks`: it begins with a turn, which sends.
  Duties loop_sends(const void* loop, bool& watches, bool& looks) noexcept;
  /// There is something to read. False: somebody else drives, and it watches no longer.
  bool begin_turn_of(const void* loop) noexcept;
  /// `unfinished`: a connection is being made, or the socket is not just to be read. `watches`: as
  /// before.
  Duties end_turn_of_loop(bool unfinished, bool& watches) noexcept;
  /// It cannot watch.
  Duties loop_leaves() noexcept;

  // --- The writer ---

  /// The next bytes to send, about `bytes_max` at most. Requests that nobody wants any more and of
  /// which nothing was sent leave for `dropped`. False: there is nothing, and the caller is not the
  /// writer any more.
  bool take(Pieces& pieces, std::size_t bytes_max, Unsent& dropped) noexcept;
  /// So many bytes of `take` were sent. `stopped`: the socket was full, and the driver goes on when
  /// it is writable, or failed; the caller is not the writer any more. `out`: what was answered
  /// before he came to say so.
  Duties wrote(std::size_t bytes, bool stopped, Unsent& out) noexcept;
  bool writing() const noexcept { return writing_; }

  // --- The driver ---

  /// There is a connection: requests may be sent.
  void opened(Moment now) noexcept;
  /// The driver becomes the writer, if there is something to write and nobody writes. `writable`:
  /// the socket is; no matter unless it was full.
  bool start_writing(bool writable) noexcept;
  /// Whether nothing was heard for so long that the connection has to be looked at before it is
  /// written to. Says so once.
  bool take_stale() noexcept;
  /// Takes `answered` requests out, into `out`, then names those whose replies are due next: only
  /// such that were sent, or may have been.
  std::size_t due(std::span<Request*> next, std::size_t answered, Moment now,
                  Requests& out) noexcept;
  /// Names the requests that nobody comes for and whose deadline has passed. They stay in order.
  void expire(Moment now, Requests& out) noexcept;
  /// The oldest reply is past its deadline, and no other has come for `patience`.
  bool overdue(Moment now) const noexcept { return now >= overdue_at(); }
  /// What a driver waits for besides something to read.
  struct Wait {
    bool write = false;  ///< The socket was full.
    /// When `expire` or `overdue` have something to say, or there is something to write.
    Moment until = Moment::max();
  };
  /// The driver has looked at all there is, and goes to wait. Whoever submits from here on has the
  /// I/O thread told.
  Wait settle() noexcept;
  /// Which requests leave with a connection.
  enum class Loss : std::uint8_t {
    attempt,  ///< It never answered, or could not be made: all of them.
    silence,  ///< It did not answer any more: those taken to send.
    end,      ///< It has ended: of those taken to send what may not be sent once more.
  };
  /// The connection is gone. REQUIRES: nobody writes.
  void lost(Loss loss, Requests& out) noexcept;

  // --- The I/O thread ---

  /// True: it drives, and a turn of it begins. False: it does not, and may have been woken for
  /// nothing.
  bool begin_turn_of_io() noexcept;
  /// At the end of a turn. True: it drives no longer.
  bool rest(bool unfinished, Moment now) noexcept;
  /// Until when it stays with nothing to do.
  Moment rest_at() const noexcept;
  /// No thread could be had. A thread that waits leads instead; if there is none the caller drives,
  /// as after `seize`.
  Duties io_refused(bool& seized) noexcept;

  // --- Whoever closes ---

  /// True: nobody drove, and the caller does from now on, until `release`, to lose all there is.
  bool seize() noexcept;
  Duties release() noexcept { return next_driver(false); }

  Role role() const noexcept { return role_; }
  std::size_t size() const noexcept { return count_; }
  std::size_t bytes() const noexcept { return bytes_; }
  bool is_open() const noexcept { return open_; }
  std::uint64_t takeovers() const noexcept { return takeovers_; }
  std::uint64_t give_backs() const noexcept { return give_backs_; }

  /// An idle I/O thread keeps the role for so long.
  static constexpr std::chrono::milliseconds linger{3};
  /// After so long without traffic a connection is looked at before it is written to.
  static constexpr std::chrono::milliseconds stale_after{100};

 private:
  using Care = Request::Care;

  void append(Request& request, bool coming, Moment now) noexcept;
  engine::Ref<Request> remove(Request& request) noexcept;
  void set_care(Request& request, Care care) noexcept;
  std::size_t& number_of(Care care) noexcept { return cares_[static_cast<std::size_t>(care)]; }
  std::size_t number_of(Care care) const noexcept { return cares_[static_cast<std::size_t>(care)]; }
  Duties tell_io() noexcept;
  bool may_write() const noexcept;
  Duties next_driver(bool unfinished, bool loop_watches = false) noexcept;
  bool may_go_to_loop(const void* loop) const noexcept;
  Duties promote() noexcept;
  Duties to_io() noexcept;
  Moment overdue_at() const noexcept;

  const LaneLimits limits_;

  Role role_ = Role::none;
  const Request* leader_ = nullptr;
  const void* loop_ = nullptr;  // The last one that waited.
  bool io_turns_ = false;       // The I/O thread is in a turn.
  bool open_ = false;
  bool writing_ = false;   // Somebody is the writer.
  bool stopped_ = false;   // The socket was full.
  bool stale_ = false;     // To be looked at before it is written to.
  bool io_knows_ = false;  // The I/O thread was told of what there is to write.
  // Somebody has come for what there is to write. Else the I/O thread leaves it to gather: it would
  // send a loop's requests one by one as fast as they are submitted.
  bool urgent_ = false;
  int listeners_ = 0;

  // In order of submission. From `unsent_` on not all bytes are known to be sent.
  Request* first_ = nullptr;
  Request* last_ = nullptr;
  Request* unsent_ = nullptr;
  std::size_t count_ = 0;
  std::size_t bytes_ = 0;
  std::size_t cares_[5] = {};
  std::uint64_t taken_ = 0;  // Bytes of this connection that writers took, and that were sent.
  std::uint64_t sent_ = 0;
  Unsent limbo_;

  Moment looped_at_;  // The last request of a loop, and of anybody else.
  Moment others_at_;
  Moment heard_ = Moment::min();     // The last reply, or the beginning.
  Moment earliest_ = Moment::max();  // No deadline of a request that nobody comes for is earlier.
  double load_ = 0;                  // Replies a turn of the I/O thread, weighted by recency.
  std::size_t replies_ = 0;          // Of this turn.
  bool is_lively_ = false;           // One of them was for somebody who does not block.
  std::uint64_t takeovers_ = 0;
  std::uint64_t give_backs_ = 0;
};

}  // namespace dcache::net
