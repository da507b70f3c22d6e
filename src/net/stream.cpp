// SPDX-License-Identifier: MIT
#include "net/stream.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

namespace dcache::net {
namespace {

class PlainStream final : public Stream {
 public:
  explicit PlainStream(Socket socket) noexcept : socket_(std::move(socket)) {
    const int number = socket_.number();
    ::fcntl(number, F_SETFL, ::fcntl(number, F_GETFL) & ~O_NONBLOCK);
    const timeval time{.tv_sec = 0, .tv_usec = std::chrono::microseconds(wait_max).count()};
    can_wait_ = ::setsockopt(number, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time) == 0;
  }

  Step handshake() override { return {.state = Step::State::moved}; }

  Step read(char* place, std::size_t size, bool waits) override {
    const ssize_t got = ::recv(socket_.number(), place, size, waits ? 0 : MSG_DONTWAIT);
    if (got == 0) return {.state = Step::State::ended};
    return step(got);
  }

  Step write(std::span<const std::string_view> pieces) override {
    std::array<iovec, 64> vectors;
    const std::size_t count = std::min(pieces.size(), vectors.size());
    for (std::size_t i = 0; i < count; ++i) {
      vectors[i] = {const_cast<char*>(pieces[i].data()), pieces[i].size()};
    }
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = count;
    // The sanitizers look at the bytes when they have been sent: by then somebody else may have
    // read the reply, and their owner gone on. So they are told intercept_send=0
    // (CMakePresets.json).
    Step result = step(::sendmsg(socket_.number(), &message, MSG_NOSIGNAL | MSG_DONTWAIT));
    result.wants_write = result.state == Step::State::blocked;
    return result;
  }

  bool can_wait() const noexcept override { return can_wait_; }
  bool short_read_is_last() const noexcept override { return true; }
  void shut_down() noexcept override { ::shutdown(socket_.number(), SHUT_RDWR); }
  int descriptor() const noexcept override { return socket_.number(); }

 private:
  static Step step(ssize_t moved) {
    if (moved >= 0) return {.state = Step::State::moved, .bytes = static_cast<std::size_t>(moved)};
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return {};
    return {.state = Step::State::failed, .why = describe(errno)};
  }

  const Socket socket_;
  bool can_wait_ = false;
};

}  // namespace

std::unique_ptr<Stream> plain_stream(Socket socket) {
  return std::make_unique<PlainStream>(std::move(socket));
}

}  // namespace dcache::net
