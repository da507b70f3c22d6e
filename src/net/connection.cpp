// SPDX-License-Identifier: MIT
#include "net/connection.hpp"

#include <algorithm>
#include <mutex>
#include <thread>
#include <utility>

#include <unistd.h>

namespace dcache::net {

using engine::Ref;
using Clock = std::chrono::steady_clock;

namespace {

// A leader looks up so often: others may have submitted what is due before his own reply.
constexpr auto look_up = Stream::wait_max;
// Written at once, at most.
constexpr std::size_t write_max = std::size_t{256} << 10U;

constexpr std::chrono::milliseconds close_nap{1};
// After the time to close has passed: for drivers to notice that all has failed.
constexpr std::chrono::milliseconds close_grace{200};

}  // namespace

Connection::Connection(std::shared_ptr<const Setup> setup, Reactor& reactor) noexcept
    : shared_(std::move(setup)),
      reactor_(reactor),
      lane_({.requests_max = setup_.options.requests_max,
             .bytes_max = setup_.options.bytes_max,
             .handoff = setup_.options.handoff,
             .patience = setup_.options.patience}),
      receiver_(setup_.options.buffer_max),
      backoff_(setup_.options.backoff_first, setup_.options.backoff_longest) {}

void Connection::refuse(Request& request, Fault fault, std::string why) noexcept {
  request.finish({.fault = fault, .why = std::make_shared<const std::string>(std::move(why))});
}

void Connection::submit(Request& request, bool coming, const void* loop) noexcept {
  const Moment now = Clock::now();
  request.connection_ = this;
  Trouble trouble;
  Duties duties;
  {
    const std::lock_guard held(lock_);
    if (closed_) {
      trouble.fault = Fault::closed;
    } else if (!lane_.is_open() && now < refuse_until_) {
      trouble = {.fault = refusal_fault_, .why = refusal_};
    } else if (lane_.full(request.size())) {
      trouble.fault = Fault::overloaded;
    } else if (loop != nullptr) {
      lane_.submit_looped(request, loop, now);
    } else {
      duties = lane_.submit(request, coming, now);
    }
  }
  if (trouble.fault == Fault::none) return perform(std::move(duties));
  if (!trouble.why) {
    const NodeOptions& options = setup_.options;
    trouble.why = std::make_shared<const std::string>(
        options.endpoint.name() +
        (trouble.fault == Fault::closed
             ? closed_here
             : ": too much is under way; at most " + std::to_string(options.requests_max) +
                   " requests of " + std::to_string(options.bytes_max) +
                   " bytes in all are taken"));
  }
  request.finish(std::move(trouble));
}

void Connection::perform(Duties duties) noexcept {
  const bool writes = duties.write;
  for (;;) {
    if (duties.leader) duties.leader->tell_to_lead();
    if (!duties.wake || reactor_.wake(*this)) break;
    duties = without_thread();
  }
  if (writes) write();
}

// What was the I/O thread's to drive goes to a thread that waits, or is given up.
Duties Connection::without_thread() noexcept {
  bool seized = false;
  Duties duties;
  {
    const std::lock_guard held(lock_);
    duties = lane_.io_refused(seized);
  }
  return seized ? give_all_up(": no thread could be had to wait for it") : std::move(duties);
}

void Connection::let_go() noexcept { perform(without_thread()); }

// By a driver who has seized the role.
Duties Connection::give_all_up(const char* why) noexcept {
  lose(setup_.options.endpoint.name() + why, Clock::now(), Lane::Loss::attempt);
  const std::lock_guard held(lock_);
  return lane_.release();
}

// By the one writer, until all is sent or the socket is full.
void Connection::write() noexcept {
  Pieces pieces;
  for (;;) {
    Unsent unwanted;
    bool more = false;
    {
      const std::lock_guard held(lock_);
      more = lane_.take(pieces, write_max, unwanted);
    }
    while (const Ref<Request> each = unwanted.pop()) each->finish({});
    if (!more) return;
    Step step;
    try {
      step = stream_->write(pieces.all());
    } catch (const std::exception& error) {
      step = {.state = Step::State::failed, .why = error.what()};
    }
    const bool failed = step.state == Step::State::failed;
    // Whoever polls finds out.
    if (failed) stream_->shut_down();
    Unsent answered;
    Duties duties;
    {
      const std::lock_guard held(lock_);
      duties = lane_.wrote(step.bytes, step.state != Step::State::moved, answered);
      if (failed) broken_ = std::move(step.why);
    }
    if (duties.wake) reactor_.wake(*this);
    if (!duties.write) return;
  }
}

bool Connection::wait(Request& request, Moment until) noexcept {
  for (;;) {
    if (request.completed()) return true;
    bool leads = false;
    Duties duties;
    {
      const std::lock_guard held(lock_);
      duties = lane_.wait(request, leads);
    }
    if (leads) return lead(request, until);
    perform(std::move(duties));
    if (request.sleep(until)) continue;
    {
      const std::lock_guard held(lock_);
      duties = lane_.give_up(request);
    }
    perform(std::move(duties));
    return request.completed();
  }
}

bool Connection::lead(Request& request, Moment until) noexcept {
  Ready ready;
  for (;;) {
    Interest next = turn(ready);
    if (request.completed()) break;
    const Moment now = Clock::now();
    if (now >= until) break;
    next.until = std::min({next.until, until, now + look_up});
    ready = waits_by_reading(next, now) ? Ready{.waits = true} : wait_for(next);
  }
  Duties duties;
  {
    const std::lock_guard held(lock_);
    duties = lane_.leave(request, dial_ != nullptr);
  }
  perform(std::move(duties));
  return request.completed();
}

bool Connection::waits_by_reading(const Interest& next, Moment now) const noexcept {
  return stream_ != nullptr && stream_->can_wait() && !next.write && next.until >= now + look_up;
}

std::optional<Interest> Connection::drive(Ready ready) noexcept {
  {
    const std::lock_guard held(lock_);
    if (!lane_.begin_turn_of_io()) return std::nullopt;
  }
  Interest next = turn(ready);
  const Moment now = Clock::now();
  const std::lock_guard held(lock_);
  if (lane_.rest(dial_ != nullptr, now)) return std::nullopt;
  next.until = std::min(next.until, lane_.rest_at());
  return next;
}

void Connection::hand_over(Request& request) noexcept {
  Duties duties;
  {
    const std::lock_guard held(lock_);
    duties = lane_.hand_over(request);
  }
  perform(std::move(duties));
}

void Connection::listen(int more) noexcept {
  Duties duties;
  {
    const std::lock_guard held(lock_);
    duties = lane_.listen(more);
  }
  perform(std::move(duties));
}

// Naps instead of a wake-up: every end of a request would have to look for who closes.
bool Connection::close(nanoseconds timeout) noexcept {
  const Moment kill_at = Clock::now() + timeout;
  const Moment end = kill_at + close_grace;
  for (;; std::this_thread::sleep_for(close_nap)) {
    const Moment now = Clock::now();
    bool seized = false;
    bool kills = false;
    {
      const std::lock_guard held(lock_);
      closed_ = true;
      kills = now >= kill_at || lane_.size() == 0;
      if (kills && !std::exchange(killed_, true) && stream_ != nullptr) stream_->shut_down();
      seized = kills && lane_.seize();
    }
    if (seized) {
      perform(give_all_up(closed_here));
      return true;
    }
    if (kills) reactor_.wake(*this);
    if (now >= end) return false;
  }
}

void Connection::add_to(NodeStats& stats) noexcept {
  const std::lock_guard held(lock_);
  stats.in_flight += lane_.size();
  stats.connects += connects_;
  stats.failures += failures_;
  stats.takeovers += lane_.takeovers();
  stats.give_backs += lane_.give_backs();
}

void Connection::drop_inherited() noexcept {
  const int number = descriptor_.exchange(-1);
  if (number >= 0) ::close(number);
}

bool Connection::fail_inherited(Request& request) noexcept {
  if (request.phase() == Request::pending) {
    refuse(request, Fault::closed, "it was asked by the parent process, before the fork");
  }
  return request.completed();
}

}  // namespace dcache::net
