// SPDX-License-Identifier: MIT
#include "net/lane.hpp"

#include <algorithm>
#include <utility>

namespace dcache::net {

using engine::Ref;

namespace {

// Below so many replies a turn, on average over the last `memory` turns, the I/O thread gives back:
// a hand-over costs a lone caller a third of his round trip.
constexpr double busy = 1.5;
constexpr double memory = 8;
// What a turn counts as at least if it answers somebody who does not block, and a new take-over.
constexpr double lively = 4;

}  // namespace

// --- Who asks ---

bool Lane::full(std::size_t size) const noexcept {
  return count_ >= limits_.requests_max || bytes_ > limits_.bytes_max ||
         size > limits_.bytes_max - bytes_;
}

void Lane::append(Request& request, bool coming, Moment now) noexcept {
  request.retain();
  request.queued_ = true;
  request.end_ = 0;
  request.submitted_ = now;
  request.deadline_ = std::min(request.deadline_, now + Request::longest);
  request.previous_ = last_;
  request.next_ = nullptr;
  (last_ != nullptr ? last_->next_ : first_) = &request;
  last_ = &request;
  if (unsent_ == nullptr) unsent_ = &request;
  ++count_;
  bytes_ += request.size();
  request.care_ = coming ? Care::coming : Care::orphan;
  ++number_of(request.care_);
  if (!coming) earliest_ = std::min(earliest_, request.deadline_);
}

Ref<Request> Lane::remove(Request& request) noexcept {
  (request.previous_ != nullptr ? request.previous_->next_ : first_) = request.next_;
  (request.next_ != nullptr ? request.next_->previous_ : last_) = request.previous_;
  if (unsent_ == &request) unsent_ = request.next_;
  request.previous_ = request.next_ = nullptr;
  request.queued_ = false;
  --number_of(request.care_);
  --count_;
  bytes_ -= request.size();
  return Ref<Request>::adopt(&request);
}

void Lane::set_care(Request& request, Care care) noexcept {
  --number_of(request.care_);
  request.care_ = care;
  ++number_of(care);
  if (care == Care::orphan) earliest_ = std::min(earliest_, request.deadline_);
}

Duties Lane::submit(Request& request, bool coming, Moment now) noexcept {
  if (count_ == 0 && role_ == Role::none && open_) stale_ |= now - heard_ > stale_after;
  append(request, coming, now);
  others_at_ = now;
  if (role_ == Role::io) return coming ? Duties{} : tell_io();
  if (role_ == Role::none && !coming) return to_io();
  if (!open_ || writing_ || stopped_ || stale_) return {};
  writing_ = true;
  return {.write = true};
}

bool Lane::submit_looped(Request& request, const void* loop, Moment now) noexcept {
  if (count_ == 0 && role_ == Role::none && open_) stale_ |= now - heard_ > stale_after;
  const bool alone = loop == loop_ || number_of(Care::looped) == 0;
  append(request, true, now);
  if (!alone) return false;
  loop_ = loop;
  looped_at_ = now;
  set_care(request, Care::looped);
  return true;
}

Duties Lane::tell_io() noexcept {
  urgent_ = true;
  return {.wake = !std::exchange(io_knows_, true)};
}

bool Lane::may_write() const noexcept {
  return unsent_ != nullptr && (role_ != Role::io || urgent_ || unsent_->end_ != 0);
}

Duties Lane::wait(Request& request, bool& leads) noexcept {
  leads = false;
  if (!request.queued_) return {};  // Its reply has come, and the driver is about to say so.
  if (role_ == Role::none) {
    role_ = Role::lead;
    leader_ = &request;
  }
  leads = leader_ == &request;
  set_care(request, leads ? Care::leader : Care::asleep);
  return role_ == Role::io ? tell_io() : Duties{};
}

Duties Lane::give_up(Request& request) noexcept {
  // It was made the leader at the very end of its time.
  if (leader_ == &request) return leave(request, false);
  return hand_over(request);
}

Duties Lane::hand_over(Request& request) noexcept {
  if (!request.queued_) return {};
  set_care(request, Care::orphan);
  if (role_ == Role::none) return to_io();
  return role_ == Role::io ? tell_io() : Duties{};
}

Duties Lane::leave(Request& request, bool unfinished) noexcept {
  if (request.queued_) set_care(request, Care::orphan);
  return next_driver(unfinished);
}

Duties Lane::next_driver(bool unfinished, bool loop_watches) noexcept {
  role_ = Role::none;
  leader_ = nullptr;
  const std::size_t sleepers = number_of(Care::asleep);
  const bool alone = number_of(Care::orphan) == 0 && !unfinished && (listeners_ == 0 || !open_) &&
                     (loop_watches || number_of(Care::looped) == 0);
  if (alone && sleepers == 0) return {};
  // At least one is promoted even if `handoff` is 1: there is nobody to hand over for.
  if (alone && (count_ < limits_.handoff || count_ == 1)) return promote();
  return to_io();
}

Duties Lane::promote() noexcept {
  Request* next = first_;
  while (next->care_ != Care::asleep) next = next->next_;
  role_ = Role::lead;
  leader_ = next;
  set_care(*next, Care::leader);
  return {.leader = Ref<Request>(next)};
}

Duties Lane::to_io() noexcept {
  role_ = Role::io;
  leader_ = nullptr;
  io_knows_ = urgent_ = true;
  load_ = lively;
  replies_ = 0;
  ++takeovers_;
  return {.wake = true};
}

Duties Lane::listen(int more) noexcept {
  listeners_ += more;
  if (listeners_ > 0) return role_ == Role::none && open_ ? to_io() : Duties{};
  return {.wake = role_ == Role::io};  // It may have stayed for this alone.
}

// --- An event loop ---

// Not while the I/O thread is in a turn, which goes on without the lock.
bool Lane::may_go_to_loop(const void* loop) const noexcept {
  return open_ && !io_turns_ && !stopped_ && listeners_ == 0 && loop == loop_ &&
         number_of(Care::looped) == count_ && looped_at_ >= others_at_ + limits_.loop_alone_for;
}

Duties Lane::loop_sends(const void* loop, bool& watches, bool& looks) noexcept {
  watches = looks = false;
  const bool given_back = role_ == Role::io && may_go_to_loop(loop);
  if (given_back) {
    role_ = Role::none;
    ++give_backs_;
  }
  if (role_ == Role::io) return unsent_ != nullptr ? tell_io() : Duties{};
  if (role_ == Role::none && (!open_ || stopped_ || loop != loop_ || listeners_ > 0)) {
    return count_ > 0 ? to_io() : Duties{};
  }
  watches = role_ == Role::none;
  looks = watches && stale_;
  // The I/O thread polls the socket still, if it did, and has to let go of it.
  if (stale_ || !open_ || stopped_ || writing_ || unsent_ == nullptr) return {.wake = given_back};
  writing_ = true;
  return {.write = true, .wake = given_back};
}

bool Lane::begin_turn_of(const void* loop) noexcept { return loop == loop_ && seize(); }

Duties Lane::end_turn_of_loop(bool unfinished, bool& watches) noexcept {
  Duties duties = next_driver(unfinished, true);
  watches = role_ == Role::none && open_;
  return duties;
}

Duties Lane::loop_leaves() noexcept {
  return role_ == Role::none && count_ > 0 ? to_io() : Duties{};
}

// --- The writer ---

bool Lane::take(Pieces& pieces, std::size_t bytes_max, Unsent& dropped) noexcept {
  pieces.count = 0;
  std::size_t bytes = 0;
  Request* request = unsent_;
  while (request != nullptr && bytes < bytes_max) {
    if (pieces.count + 3 > Pieces::most) break;
    Request* const next = request->next_;
    if (request->end_ == 0 && request->settled()) {
      dropped.push(remove(*request));
      request = next;
      continue;
    }
    if (request->end_ == 0) request->end_ = taken_ += request->size();
    std::size_t skip =
        request->size() - std::min<std::size_t>(request->size(), request->end_ - sent_);
    for (std::string_view piece :
         {std::string_view(request->head), request->body, std::string_view(request->tail)}) {
      const std::size_t gone = std::min(skip, piece.size());
      skip -= gone;
      piece.remove_prefix(gone);
      if (piece.empty()) continue;
      pieces.each[pieces.count++] = piece;
      bytes += piece.size();
    }
    request = next;
  }
  urgent_ = urgent_ && request != nullptr;
  writing_ = pieces.count > 0;
  return writing_;
}

Duties Lane::wrote(std::size_t bytes, bool stopped, Unsent& out) noexcept {
  out = std::move(limbo_);
  sent_ += bytes;
  while (unsent_ != nullptr && unsent_->end_ != 0 && unsent_->end_ <= sent_)
    unsent_ = unsent_->next_;
  if (!stopped && may_write()) return {.write = true};
  writing_ = false;
  if (!stopped) return {};
  stopped_ = true;
  // A loop watches for something to read only.
  if (role_ == Role::none && number_of(Care::looped) > 0) return to_io();
  return {.wake = role_ == Role::io};
}

// --- The driver ---

void Lane::opened(Moment now) noexcept {
  open_ = true;
  taken_ = sent_ = 0;
  heard_ = now;
}

bool Lane::start_writing(bool writable) noexcept {
  if (!open_ || writing_ || !may_write() || (stopped_ && !writable)) return false;
  stopped_ = false;
  writing_ = true;
  return true;
}

bool Lane::take_stale() noexcept { return std::exchange(stale_, false); }

std::size_t Lane::due(std::span<Request*> next, std::size_t answered, Moment now,
                      Requests& out) noexcept {
  if (answered > 0) heard_ = now;
  replies_ += answered;
  for (; answered > 0; --answered) {
    Request& request = *first_;
    is_lively_ |= request.care_ == Care::orphan;
    // Answered before the writer came to say that it was sent: he may still hold its bytes.
    if (writing_ && unsent_ == &request) limbo_.push(Ref<Request>(&request));
    out.push(remove(request));
  }
  std::size_t named = 0;
  for (Request* each = first_; each != nullptr && named < next.size(); each = each->next_) {
    if (each->end_ == 0 || (each->end_ > sent_ && !writing_)) break;
    next[named++] = each;
  }
  return named;
}

void Lane::expire(Moment now, Requests& out) noexcept {
  if (now < earliest_) return;
  earliest_ = Moment::max();
  for (Request* each = first_; each != nullptr; each = each->next_) {
    if (each->care_ != Care::orphan || each->unwanted()) continue;
    if (each->deadline_ <= now) {
      out.push(Ref<Request>(each));
    } else {
      earliest_ = std::min(earliest_, each->deadline_);
    }
  }
}

Moment Lane::overdue_at() const noexcept {
  // Without a connection the attempt to make one has a bound of its own.
  if (first_ == nullptr || !open_) return Moment::max();
  return std::max(first_->deadline_, std::max(first_->submitted_, heard_) + limits_.patience);
}

Lane::Wait Lane::settle() noexcept {
  io_knows_ = false;
  const bool unsent = open_ && !writing_ && may_write();
  if (unsent && !stopped_) return {.until = Moment::min()};
  return {.write = unsent, .until = std::min(earliest_, overdue_at())};
}

void Lane::lost(Loss loss, Requests& out) noexcept {
  Request* next = first_;
  while (next != nullptr && (loss == Loss::attempt || next->end_ != 0)) {
    Request& request = *std::exchange(next, next->next_);
    if (loss == Loss::end && request.may_be_repeated()) {
      request.end_ = 0;
      request.repeated_ = urgent_ = true;
    } else {
      out.push(remove(request));
    }
  }
  unsent_ = first_;
  open_ = stale_ = stopped_ = false;
}

// --- The I/O thread ---

bool Lane::begin_turn_of_io() noexcept { return io_turns_ = role_ == Role::io; }

bool Lane::rest(bool unfinished, Moment now) noexcept {
  io_turns_ = false;
  const double replies = static_cast<double>(std::exchange(replies_, 0));
  const bool is_lively = std::exchange(is_lively_, false);
  if (replies > 0) load_ += ((is_lively ? std::max(replies, lively) : replies) - load_) / memory;
  if (unfinished || now < rest_at()) return false;
  role_ = Role::none;
  ++give_backs_;
  return true;
}

Moment Lane::rest_at() const noexcept {
  if (count_ > 0 || (listeners_ > 0 && open_)) return Moment::max();
  return load_ < busy ? Moment::min() : heard_ + linger;
}

Duties Lane::io_refused(bool& seized) noexcept {
  if (role_ != Role::io) return {};
  role_ = Role::none;
  if (number_of(Care::asleep) > 0) return promote();
  seized = seize();
  return {};
}

bool Lane::seize() noexcept {
  if (role_ != Role::none) return false;
  role_ = Role::lead;
  leader_ = nullptr;
  return true;
}

}  // namespace dcache::net
