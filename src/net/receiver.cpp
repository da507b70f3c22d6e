// SPDX-License-Identifier: MIT
#include "net/receiver.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace dcache::net {

namespace {

constexpr std::size_t buffer_usual = std::size_t{64} << 10U;
// One connection does not keep the I/O thread from the others for longer.
constexpr std::size_t receive_max = std::size_t{256} << 10U;

}  // namespace

bool Receiver::over(std::string why) {
  why_ = std::move(why);
  return false;
}

void Receiver::begin(std::string_view bytes) {
  wanted_ = bytes.size();
  make_room();
  std::memcpy(buffer_.get(), bytes.data(), bytes.size());
  end_ = bytes.size();
  wanted_ = 0;
}

// For what is wanted at once, behind what is there.
void Receiver::make_room() {
  const std::size_t there = end_ - begin_;
  std::size_t capacity = there > 0 ? capacity_ : buffer_usual;
  if (wanted_ > capacity_) {
    const std::size_t largest = std::max(size_max_, buffer_usual);
    capacity = std::min(std::max({wanted_, 2 * capacity_, buffer_usual}), largest);
  }
  if (capacity == capacity_) {
    if (begin_ > 0) std::memmove(buffer_.get(), buffer_.get() + begin_, there);
  } else {
    std::unique_ptr<char[]> fresh(new char[capacity]);
    if (there > 0) std::memcpy(fresh.get(), buffer_.get() + begin_, there);
    buffer_ = std::move(fresh);
    capacity_ = capacity;
  }
  begin_ = 0;
  end_ = there;
}

Step Receiver::read(Stream& stream, std::size_t& asked, bool waits) {
  // Room for a good part of a buffer, and for what is wanted: bytes are moved seldom.
  if (end_ == begin_ || capacity_ - end_ < capacity_ / 4 || capacity_ - begin_ < wanted_) {
    make_room();
  }
  asked = capacity_ - end_;
  Step step = stream.read(buffer_.get() + end_, asked, waits);
  if (step.state == Step::State::moved) end_ += step.bytes;
  return step;
}

Receiver::State Receiver::receive(Stream& stream, Session& session, Due& due, bool waits) {
  if (begin_ < end_ && !parse(session, due)) return State::over;
  for (std::size_t received = 0; received < receive_max;) {
    std::size_t asked = 0;
    Step step = read(stream, asked, waits && received == 0);
    switch (step.state) {
      case Step::State::blocked:
        return step.wants_write ? State::blocked : State::drained;
      case Step::State::ended:
        over("the server closed the connection");
        return State::over;
      case Step::State::failed:
        over(std::move(step.why));
        return State::over;
      case Step::State::moved:
        break;
    }
    received += step.bytes;
    if (!parse(session, due)) return State::over;
    if (step.bytes < asked && stream.short_read_is_last()) return State::drained;
  }
  return State::more;
}

// False: the connection is over.
bool Receiver::parse(Session& session, Due& due) {
  while (begin_ < end_) {
    if (end_ - begin_ < wanted_) return true;
    const std::string_view bytes(buffer_.get() + begin_, end_ - begin_);
    const Reading reading = session.read(bytes, due.front());
    if (reading.used > bytes.size()) return over("the session consumed more than there was");
    begin_ += reading.used;
    wanted_ = 0;
    if (reading.what == Reading::What::more) {
      wanted_ = reading.size;
      const std::size_t there = end_ - begin_;
      if (wanted_ <= there) wanted_ = there + 1;
      if (wanted_ > std::max(size_max_, buffer_usual)) {
        return over("a message wants " + std::to_string(wanted_) + " bytes at once, at most " +
                    std::to_string(size_max_) + " are taken");
      }
      return true;
    }
    if (!understand(reading, session, due)) return false;
  }
  return true;
}

bool Receiver::understand(const Reading& reading, Session& session, Due& due) {
  switch (reading.what) {
    case Reading::What::reply:
      if (due.front() == nullptr) return over("a reply came that nobody asked for");
      due.answered();
      return true;
    case Reading::What::push:
      if (reading.used == 0) return over("the session made a push of nothing");
      session.pushed();
      return true;
    case Reading::What::more:
    case Reading::What::malformed:
      break;
  }
  return over("malformed reply: " + reading.why);
}

}  // namespace dcache::net
