// SPDX-License-Identifier: MIT
/// A protocol to test the connection engine with, and a server that speaks it and misbehaves on
/// demand.
///
/// A message is `<sign><length>\n<bytes>`; the signs are `?` of a request, `=` of its reply, which
/// has the same bytes, and `!` of a push. Requests whose bytes begin so are commands: `close`,
/// `reset`, `half`, `junk`, `drip`, `hang`, `silence`, `push`.
#pragma once

#include <atomic>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/node.hpp"

namespace dcache::net::test {

using namespace std::chrono_literals;

inline Moment in(nanoseconds time) { return std::chrono::steady_clock::now() + time; }

inline std::string message(char sign, std::string_view bytes) {
  return sign + std::to_string(bytes.size()) + '\n' + std::string(bytes);
}

// --- The client's side ---

class Echo final : public Request {
 public:
  explicit Echo(std::string_view bytes, nanoseconds time = 10s) : Request(in(time)) {
    head = message('?', bytes);
  }
  /// Told when it is done, or late.
  std::function<void(Echo&)> when_done;
  std::atomic<int> times_done{0};
  std::atomic<int> times_late{0};
  std::string reply;

  Fault fault() const { return trouble().fault; }
  std::string why() const { return trouble().why ? *trouble().why : ""; }

 private:
  void done() noexcept override {
    times_done.fetch_add(1);
    if (when_done) when_done(*this);
  }
  void late() noexcept override { times_late.fetch_add(1); }
};

inline engine::Ref<Echo> echo(std::string_view bytes, nanoseconds time = 10s) {
  return engine::make_ref<Echo>(bytes, time);
}

/// What the tests look at, of all connections.
class EchoProtocol final : public Protocol {
 public:
  std::unique_ptr<Session> open() override;
  void batch_ended() noexcept override { batches.fetch_add(1); }

  std::string hello;  ///< Said first, and to be answered by the same.
  std::atomic<int> batches{0};
  std::atomic<int> closed{0};
  std::atomic<int> pushes{0};
  std::string last_push() {
    const std::lock_guard lock(mutex_);
    return last_push_;
  }
  void pushed(std::string push) {
    const std::lock_guard lock(mutex_);
    last_push_ = std::move(push);
    pushes.fetch_add(1);
  }

 private:
  std::mutex mutex_;
  std::string last_push_;
};

class EchoSession final : public Session {
 public:
  explicit EchoSession(EchoProtocol& protocol) : protocol_(protocol) {}

  Greeting greet(std::string_view heard, std::size_t& used, std::string& say) override {
    if (protocol_.hello.empty()) return Greeting::done;
    if (heard.empty()) {
      say = message('?', protocol_.hello);
      return Greeting::more;
    }
    const std::string expected = message('=', protocol_.hello);
    if (heard.size() < expected.size()) return Greeting::more;
    if (!heard.starts_with(expected)) {
      say = "the server greets as " + std::string(heard.substr(0, 40));
      return Greeting::failed;
    }
    used = expected.size();
    return Greeting::done;
  }

  Reading read(std::string_view bytes, Request* request) override {
    if (missing_ > 0) return take_part(bytes, 0, request);
    const std::size_t end = bytes.find('\n');
    if (end == std::string_view::npos) {
      if (bytes.size() > 24) return {.what = Reading::What::malformed, .why = "no length"};
      return {.size = bytes.size() + 1};
    }
    std::size_t size = 0;
    const auto number = std::from_chars(bytes.data() + 1, bytes.data() + end, size);
    const bool is_push = bytes[0] == '!';
    if (number.ptr != bytes.data() + end || (!is_push && bytes[0] != '=')) {
      return {.what = Reading::What::malformed, .why = "neither a reply nor a push"};
    }
    const std::size_t head = end + 1;
    if (size >= 1000 && !is_push && request != nullptr) {
      missing_ = size;
      return take_part(bytes, head, request);
    }
    if (bytes.size() < head + size) return {.size = head + size};
    const std::string_view body = bytes.substr(head, size);
    if (is_push) {
      push_ = body;
      return {.what = Reading::What::push, .used = head + size};
    }
    if (request != nullptr) static_cast<Echo&>(*request).reply = body;
    return {.what = Reading::What::reply, .used = head + size};
  }

  void pushed() noexcept override { protocol_.pushed(push_); }
  void closed(const std::string&) noexcept override { protocol_.closed.fetch_add(1); }

 private:
  // Large replies are taken as they come.
  Reading take_part(std::string_view bytes, std::size_t from, Request* request) {
    const std::string_view part = bytes.substr(from, missing_);
    static_cast<Echo&>(*request).reply += part;
    request->repeatable = false;
    missing_ -= part.size();
    return {.what = missing_ > 0 ? Reading::What::more : Reading::What::reply,
            .used = from + part.size()};
  }

  EchoProtocol& protocol_;
  std::size_t missing_ = 0;  // Of a large reply.
  std::string push_;
};

inline std::unique_ptr<Session> EchoProtocol::open() {
  return std::make_unique<EchoSession>(*this);
}

// --- The server ---

/// One thread for each connection. Ends with the object.
class EchoServer {
 public:
  struct Options {
    std::string path = {};   ///< Of a unix socket, instead of TCP.
    SSL_CTX* tls = nullptr;  ///< Speaks TLS.
    int port = 0;            ///< Any.
    bool is_v6 = false;
  };

  EchoServer() : EchoServer(Options{}) {}
  explicit EchoServer(Options options) : options_(std::move(options)) {
    const int family = !options_.path.empty() ? AF_UNIX : options_.is_v6 ? AF_INET6 : AF_INET;
    listener_ = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (options_.is_v6) {
      sockaddr_in6 name{};
      name.sin6_family = AF_INET6;
      name.sin6_addr = in6addr_loopback;
      name.sin6_port = htons(static_cast<std::uint16_t>(options_.port));
      bind(name);
    } else if (options_.path.empty()) {
      const int on = 1;
      ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
      sockaddr_in name{};
      name.sin_family = AF_INET;
      name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      name.sin_port = htons(static_cast<std::uint16_t>(options_.port));
      bind(name);
      socklen_t size = sizeof name;
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&name), &size);
      options_.port = ntohs(name.sin_port);
    } else {
      sockaddr_un name{};
      name.sun_family = AF_UNIX;
      options_.path.copy(name.sun_path, sizeof name.sun_path - 1);
      bind(name);
    }
    ::listen(listener_, 128);
    acceptor_ = std::thread([this] { accept(); });
  }
  EchoServer(const EchoServer&) = delete;
  EchoServer& operator=(const EchoServer&) = delete;
  ~EchoServer() {
    stopping_ = true;
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    ::close(listener_);
    kill_connections();
    for (auto& each : connections_) each->thread.join();
    for (auto& each : connections_) ::close(each->number);
  }

  int port() const { return options_.port; }
  NodeOptions options() const {
    NodeOptions options;
    options.endpoint.host = "127.0.0.1";
    options.endpoint.port = static_cast<std::uint16_t>(options_.port);
    options.endpoint.path = options_.path;
    return options;
  }

  int accepted() const { return accepted_; }
  int answered() const { return answered_; }
  /// While frozen it reads nothing and answers nothing, as under SIGSTOP.
  void freeze(bool on) { frozen_ = on; }
  void kill_connections() {
    const std::lock_guard lock(mutex_);
    for (auto& each : connections_) ::shutdown(each->number, SHUT_RDWR);
  }

 private:
  struct Connection {
    int number = -1;
    std::thread thread;
  };

  template <class Name>
  void bind(const Name& name) {
    if (::bind(listener_, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
      throw std::runtime_error("the test server cannot bind");
    }
  }

  void accept() {
    while (!stopping_) {
      const int number = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (number < 0) continue;
      const int on = 1;
      ::setsockopt(number, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      accepted_.fetch_add(1);
      const std::lock_guard lock(mutex_);
      connections_.push_back(std::make_unique<Connection>());
      Connection& added = *connections_.back();
      added.number = number;
      added.thread = std::thread([this, number] { Talk(*this, number).run(); });
    }
  }

  // What one connection says.
  class Talk {
   public:
    Talk(EchoServer& server, int number) : server_(server), number_(number) {}
    ~Talk() {
      if (ssl_ != nullptr) SSL_free(ssl_);
    }
    Talk(const Talk&) = delete;
    Talk& operator=(const Talk&) = delete;

    void run() {
      if (server_.options_.tls != nullptr) {
        // OpenSSL writes to a closed socket without saying that it wants no signal.
        sigset_t pipe;
        sigemptyset(&pipe);
        sigaddset(&pipe, SIGPIPE);
        pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
        ssl_ = SSL_new(server_.options_.tls);
        SSL_set_fd(ssl_, number_);
        if (SSL_accept(ssl_) != 1) return close();
      }
      char bytes[65536];
      for (;;) {
        wait_while_frozen();
        const auto got = ssl_ != nullptr
                             ? SSL_read(ssl_, bytes, sizeof bytes)
                             : static_cast<int>(::recv(number_, bytes, sizeof bytes, 0));
        if (got <= 0) return close();
        heard_.append(bytes, static_cast<std::size_t>(got));
        wait_while_frozen();
        if (!answer()) return close();
      }
    }

   private:
    void wait_while_frozen() const {
      while (server_.frozen_ && !server_.stopping_) std::this_thread::sleep_for(1ms);
    }
    void close() const { ::shutdown(number_, SHUT_RDWR); }

    bool answer() {
      std::string out;
      std::size_t at = 0;
      bool stays = true;
      while (stays) {
        const std::size_t end = heard_.find('\n', at);
        if (end == std::string::npos) break;
        std::size_t size = 0;
        if (std::from_chars(heard_.data() + at + 1, heard_.data() + end, size).ec != std::errc()) {
          return false;
        }
        if (heard_.size() < end + 1 + size) break;
        stays = respond(std::string_view(heard_).substr(end + 1, size), out);
        at = end + 1 + size;
      }
      heard_.erase(0, at);
      return say(out) && stays;
    }

    bool respond(std::string_view body, std::string& out) {
      const std::string reply = message('=', body);
      if (body.starts_with("close")) return false;
      if (body.starts_with("reset")) {
        out += reply.substr(0, reply.size() / 2);
        say(out);
        out.clear();
        // tcp(7): what Linux makes of a connect to nowhere is a reset, and the number stays ours.
        sockaddr nowhere{};
        nowhere.sa_family = AF_UNSPEC;
        [[maybe_unused]] const int reset = ::connect(number_, &nowhere, sizeof nowhere);
        return false;
      }
      if (body.starts_with("half")) {
        out += reply.substr(0, reply.size() / 2);
        return false;
      }
      if (body.starts_with("junk")) {
        out += "what?\n";
        return true;
      }
      if (body.starts_with("drip")) {
        if (!say(out)) return false;
        out.clear();
        for (const char each : reply) {
          if (!say(std::string(1, each))) return false;
          std::this_thread::sleep_for(5ms);
        }
        server_.answered_.fetch_add(1);
        return true;
      }
      if (body.starts_with("silence")) return true;  // No reply, ever: the next ones are shifted.
      if (body.starts_with("hang")) {
        if (!say(out)) return false;
        out.clear();
        std::this_thread::sleep_for(
            std::chrono::milliseconds(std::stoi(std::string(body.substr(4)))));
      }
      if (body.starts_with("push")) out += message('!', body);
      out += reply;
      server_.answered_.fetch_add(1);
      return true;
    }

    bool say(std::string_view bytes) {
      while (!bytes.empty()) {
        const auto put =
            ssl_ != nullptr
                ? SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()))
                : static_cast<int>(::send(number_, bytes.data(), bytes.size(), MSG_NOSIGNAL));
        if (put <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(put));
      }
      return true;
    }

    EchoServer& server_;
    const int number_;
    SSL* ssl_ = nullptr;
    std::string heard_;
  };

  Options options_;
  int listener_ = -1;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> frozen_{false};
  std::atomic<int> accepted_{0};
  std::atomic<int> answered_{0};
  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> connections_;  // Guarded by mutex_.
  std::thread acceptor_;
};

// --- Asking ---

/// Asks and blocks.
inline engine::Ref<Echo> ask(Node& node, std::string_view bytes, nanoseconds time = 10s,
                             Traffic traffic = Traffic::small) {
  auto request = echo(bytes, time);
  node.submit(request, Waiting::thread, traffic);
  node.wait(*request, request->deadline());
  return request;
}

template <class Condition>
bool eventually(const Condition& holds, nanoseconds time = 20s) {
  const Moment end = in(time);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

}  // namespace dcache::net::test
