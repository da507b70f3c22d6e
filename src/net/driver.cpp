// SPDX-License-Identifier: MIT
// What a connection's driver does, turn by turn.
#include <algorithm>
#include <array>
#include <mutex>
#include <thread>
#include <utility>

#include "dcache/engine/random.hpp"

#include "net/connection.hpp"

namespace dcache::net {

using engine::Ref;

namespace {

std::string milliseconds(nanoseconds time) {
  return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(time).count()) +
         " ms";
}

}  // namespace

// The requests whose replies are due, some at a time, so that not every reply takes the lock.
class Connection::Harvest final : public Due {
 public:
  explicit Harvest(Connection& connection) noexcept : connection_(connection) {}

  Request* front() override {
    if (next_ == named_) refill();
    return next_ < named_ ? due_[next_] : nullptr;
  }
  void answered() override { ++next_; }

  // Completes those whose replies have come. True: there were some.
  bool complete() {
    refill();
    connection_.finish(requests_, {});
    return has_any_;
  }

 private:
  void refill() {
    const Moment now = next_ > 0 ? std::chrono::steady_clock::now() : Moment();
    const std::lock_guard held(connection_.lock_);
    has_any_ |= next_ > 0;
    named_ = connection_.lane_.due(due_, next_, now, requests_);
    next_ = 0;
  }

  Connection& connection_;
  std::array<Request*, 64> due_;
  std::size_t named_ = 0;
  std::size_t next_ = 0;
  bool has_any_ = false;
  Requests requests_;
};

// Goes as far as it can without blocking, and says what to wait for.
Interest Connection::turn(Ready ready) noexcept {
  const Moment now = std::chrono::steady_clock::now();
  try {
    bool killed = false;
    {
      const std::lock_guard held(lock_);
      killed = killed_;
    }
    if (killed) {
      lose(setup_.options.endpoint.name() + closed_here, now, Lane::Loss::attempt);
    } else if (stream_ != nullptr || connect(now)) {
      serve(ready, now);
    }
    expire(now);
  } catch (const std::exception& error) {
    lose(setup_.options.endpoint.name() + ": " + error.what(), now,
         stream_ == nullptr ? Lane::Loss::attempt : Lane::Loss::silence);
  }
  return interest();
}

Interest Connection::interest() noexcept {
  Interest next;
  const std::lock_guard held(lock_);
  const Lane::Wait wait = lane_.settle();
  if (dial_ != nullptr) {
    next = dial_->interest();
  } else if (stream_ != nullptr) {
    next = {.descriptor = stream_->descriptor(), .write = wants_write_ || wait.write};
  }
  // Something was read in part, or those that the last connection has left want another one.
  const bool at_once = is_unread_ || (next.descriptor < 0 && lane_.size() > 0);
  next.until = at_once ? Moment::min() : std::min(next.until, wait.until);
  return next;
}

// True: there is a connection.
bool Connection::connect(Moment now) {
  if (dial_ == nullptr) {
    {
      const std::lock_guard held(lock_);
      if (lane_.size() == 0) return false;
    }
    dial_ = std::make_unique<Dial>(setup_, now);
  }
  switch (dial_->advance(now)) {
    case Dial::State::going_on:
      return false;
    case Dial::State::failed:
      lose(dial_->why, now, Lane::Loss::attempt,
           dial_->rejected ? Fault::rejected : Fault::unavailable);
      return false;
    case Dial::State::done:
      break;
  }
  adopt(now);
  return true;
}

void Connection::adopt(Moment now) {
  receiver_ = Receiver(setup_.options.buffer_max);
  if (!dial_->heard.empty()) receiver_.begin(dial_->heard);
  is_unread_ = !dial_->heard.empty();
  wants_write_ = false;
  has_replied_ = false;
  session_ = std::move(dial_->session);
  {
    const std::lock_guard held(lock_);
    stream_ = std::move(dial_->stream);
    broken_.clear();
    lane_.opened(now);
    ++connects_;
  }
  dial_ = nullptr;
  descriptor_.store(stream_->descriptor());
}

void Connection::serve(Ready ready, Moment now) {
  bool is_stale = false;
  {
    const std::lock_guard held(lock_);
    is_stale = lane_.take_stale();
  }
  if (is_stale && !ready.looked) {
    ready = wait_for({.descriptor = stream_->descriptor(), .until = Moment::min()});
  }
  const bool reads =
      ready.readable || ready.waits || is_unread_ || (wants_write_ && ready.writable);
  if (reads && !receive(ready.waits)) {
    std::string why = receiver_.why();
    {
      const std::lock_guard held(lock_);
      if (!broken_.empty()) why = broken_;
    }
    return lose(setup_.options.endpoint.name() + ": " + why, now, loss(Lane::Loss::end));
  }
  bool writes = false;
  bool is_overdue = false;
  {
    const std::lock_guard held(lock_);
    writes = lane_.start_writing(ready.writable);
    // Looked at before it is judged: this process may have slept, not the server.
    is_overdue = ready.looked && !reads && lane_.overdue(now);
  }
  if (writes) write();
  if (is_overdue) {
    lose(setup_.options.endpoint.name() + ": no reply for " +
             milliseconds(setup_.options.patience) + " although one was due",
         now, loss(Lane::Loss::silence));
  }
}

// False: the connection is over.
bool Connection::receive(bool waits) {
  Harvest harvest(*this);
  Receiver::State state = Receiver::State::over;
  try {
    state = receiver_.receive(*stream_, *session_, harvest, waits);
  } catch (const std::exception& error) {
    receiver_.fail(error.what());
  }
  is_unread_ = state == Receiver::State::more;
  wants_write_ = state == Receiver::State::blocked;
  if (harvest.complete() && !has_replied_) {
    has_replied_ = true;
    backoff_.worked();
  }
  return state != Receiver::State::over;
}

void Connection::expire(Moment now) {
  Requests expired;
  {
    const std::lock_guard held(lock_);
    lane_.expire(now, expired);
  }
  if (expired.empty()) return;
  const auto why = std::make_shared<const std::string>(setup_.options.endpoint.name() +
                                                       ": no reply within the deadline");
  while (const Ref<Request> each = expired.pop()) {
    each->complete({.fault = Fault::timeout, .sent = true, .why = why});
  }
  setup_.protocol->batch_ended();
}

// The connection, or the attempt to make one, is over. A connection that never answered counts as
// an attempt. After an attempt everything fails, and the server is left alone for a while; after a
// connection that had worked only what was sent fails, unless it may be sent once more, and the
// rest goes to the next one.
void Connection::lose(std::string why, Moment now, Lane::Loss loss, Fault fault) noexcept {
  const auto sentence = std::make_shared<const std::string>(std::move(why));
  Requests failed;
  std::unique_ptr<Stream> stream;
  if (stream_ != nullptr) stream_->shut_down();
  descriptor_.store(-1);
  for (;; std::this_thread::yield()) {
    const std::lock_guard held(lock_);
    if (lane_.writing()) continue;  // He does not block, and the stream is his as well.
    stream.swap(stream_);
    lane_.lost(loss, failed);
    ++failures_;
    if (loss == Lane::Loss::attempt) {
      refuse_until_ = now + backoff_.failed(engine::random_fraction());
      refusal_ = sentence;
      refusal_fault_ = fault;
    }
    if (killed_) fault = Fault::closed;
    break;
  }
  dial_ = nullptr;
  is_unread_ = wants_write_ = false;
  if (session_ != nullptr) session_->closed(*sentence);
  session_ = nullptr;
  finish(failed, {.fault = fault, .sent = true, .why = sentence});
}

// `trouble.sent` counts for those that were taken to send, if only over an earlier connection.
void Connection::finish(Requests& requests, const Trouble& trouble) noexcept {
  bool has_told = false;
  while (const Ref<Request> each = requests.pop()) {
    Trouble own = trouble;
    own.sent = own.sent && (each->end_ != 0 || each->repeated_);
    each->finish(std::move(own));
    has_told |= each->care_ == Request::Care::orphan || each->looped();
  }
  if (has_told) setup_.protocol->batch_ended();
}

}  // namespace dcache::net
