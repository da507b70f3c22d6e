// SPDX-License-Identifier: MIT
#include "net/stream.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <sys/socket.h>
#include <sys/uio.h>

namespace dcache::net {
namespace {

class PlainStream final : public Stream {
 public:
  explicit PlainStream(Socket socket) noexcept : socket_(std::move(socket)) {}

  Step handshake() override { return {.state = Step::State::moved}; }

  Step read(char* place, std::size_t size) override {
    const ssize_t got = ::recv(socket_.number(), place, size, 0);
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
    Step result = step(::sendmsg(socket_.number(), &message, MSG_NOSIGNAL));
    result.wants_write = result.state == Step::State::blocked;
    return result;
  }

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
};

}  // namespace

std::unique_ptr<Stream> plain_stream(Socket socket) {
  return std::make_unique<PlainStream>(std::move(socket));
}

}  // namespace dcache::net
