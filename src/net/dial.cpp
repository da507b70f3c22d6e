// SPDX-License-Identifier: MIT
#include "net/dial.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "net/linux.hpp"

namespace dcache::net {

namespace {

// Of a greeting that nobody has consumed.
constexpr std::size_t heard_max = std::size_t{64} << 10U;

}  // namespace

Dial::State Dial::advance(Moment now) {
  while (!done_ && !failed_ && step(now)) {
  }
  if (done_) return State::done;
  if (!failed_ && now >= deadline_) {
    const auto waited =
        std::chrono::duration_cast<std::chrono::milliseconds>(setup_.options.connect_timeout);
    fail("no answer within " + std::to_string(waited.count()) + " ms");
  }
  return failed_ ? State::failed : State::going_on;
}

Interest Dial::interest() const noexcept {
  Interest interest{.write = wants_write_, .until = std::min(deadline_, next_at_)};
  if (stage_ == Stage::look_up) {
    interest.descriptor = resolution_->descriptor();
  } else {
    interest.descriptor = stream ? stream->descriptor() : socket_.number();
  }
  return interest;
}

// True: there is more to do at once.
bool Dial::step(Moment now) {
  switch (stage_) {
    case Stage::find:
      return find();
    case Stage::look_up:
      return look_up();
    case Stage::connect:
      return connect(now);
    case Stage::secure:
      return secure();
    case Stage::greet:
      return greet();
  }
  return false;
}

bool Dial::fail(std::string sentence, bool is_rejection) {
  why = setup_.options.endpoint.name() + ": " + std::move(sentence);
  rejected = is_rejection;
  failed_ = true;
  return false;
}

bool Dial::find() {
  if (auto known = known_addresses(setup_.options.endpoint)) {
    addresses_ = std::move(*known);
    stage_ = Stage::connect;
    return true;
  }
  resolution_ = resolve(setup_.options.endpoint);
  if (!resolution_) return fail("names cannot be looked up, too many look-ups hang already");
  stage_ = Stage::look_up;
  return true;
}

bool Dial::look_up() {
  if (!resolution_->ready()) return false;
  addresses_ = resolution_->addresses();
  if (addresses_.empty()) return fail(resolution_->why());
  stage_ = Stage::connect;
  return true;
}

// The addresses one after the other, each with its share of the time; the last trouble is the one
// that is told.
bool Dial::connect(Moment now) {
  int error = 0;
  if (!socket_) {
    const auto left = static_cast<int>(addresses_.size() - next_address_);
    next_at_ = left > 1 ? now + (deadline_ - now) / left : Moment::max();
    socket_ = begin_connect(addresses_[next_address_++], error);
  }
  if (socket_) {
    wants_write_ = true;
    const Ready ready =
        wait_for({.descriptor = socket_.number(), .write = true, .until = Moment::min()});
    if (!ready.writable && now < next_at_) return false;
    error = ready.writable ? connect_error(socket_) : ETIMEDOUT;
  }
  if (error != 0) {
    socket_ = {};
    return next_address_ < addresses_.size() || fail(describe(error));
  }
  wants_write_ = false;
  next_at_ = Moment::max();
  const NodeOptions& options = setup_.options;
  if (!options.endpoint.is_unix()) bound_silence(socket_.number(), 2 * options.patience);
  stream = setup_.tls ? setup_.tls->wrap(std::move(socket_)) : plain_stream(std::move(socket_));
  stage_ = Stage::secure;
  return true;
}

bool Dial::secure() {
  Step step = stream->handshake();
  wants_write_ = step.wants_write;
  if (step.state == Step::State::blocked) return false;
  if (step.state == Step::State::ended)
    return fail("the connection was closed in the TLS handshake");
  if (step.state == Step::State::failed) return fail(std::move(step.why), step.rejected);
  session = setup_.protocol->open();
  stage_ = Stage::greet;
  return true;
}

bool Dial::greet() {
  if (std::exchange(ask_, false)) {
    std::size_t used = 0;
    std::string say;
    const Session::Greeting greeting = session->greet(heard, used, say);
    if (greeting == Session::Greeting::failed) return fail(std::move(say), true);
    heard.erase(0, used);
    if (heard.size() > heard_max) return fail("the greeting is longer than 64 KiB");
    say_ = std::move(say);
    said_all_ = greeting == Session::Greeting::done;
  }
  if (!say_.empty() && !send()) return false;
  if (said_all_) {
    done_ = true;
    return false;
  }
  return hear();
}

// True: all was sent.
bool Dial::send() {
  while (!say_.empty()) {
    const std::array<std::string_view, 1> pieces{say_};
    Step step = stream->write(pieces);
    wants_write_ = step.state == Step::State::blocked;
    if (step.state == Step::State::failed) return lose(std::move(step));
    if (step.state != Step::State::moved) return false;
    say_.erase(0, step.bytes);
  }
  return true;
}

// Nothing can be sent any more: what the server said before it went may say why.
bool Dial::lose(Step sent) {
  std::array<char, 4096> bytes;
  Step last = stream->read(bytes.data(), bytes.size(), false);
  if (last.rejected) return fail(std::move(last.why), true);
  if (last.state == Step::State::moved) {
    heard.append(bytes.data(), last.bytes);
    std::size_t used = 0;
    std::string say;
    if (session->greet(heard, used, say) == Session::Greeting::failed) {
      return fail(std::move(say), true);
    }
  }
  return fail(std::move(sent.why), sent.rejected);
}

// True: something came.
bool Dial::hear() {
  std::array<char, 4096> bytes;
  Step step = stream->read(bytes.data(), bytes.size(), false);
  wants_write_ = step.wants_write;
  if (step.state == Step::State::ended) return fail("the connection was closed in the greeting");
  if (step.state == Step::State::failed) return fail(std::move(step.why), step.rejected);
  if (step.state != Step::State::moved) return false;
  heard.append(bytes.data(), step.bytes);
  ask_ = true;
  return true;
}

}  // namespace dcache::net
