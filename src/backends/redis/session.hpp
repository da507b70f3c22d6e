// SPDX-License-Identifier: MIT
/// A connection to a Redis as the engine in `net` sees it: the greeting, replies for who asked, and
/// pushes for who waits.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/protocol.hpp"
#include "wire/resp.hpp"

namespace dcache::redis {

/// A request as a session sees it.
class Asking : public net::Request {
 public:
  using Request::Request;
  /// The next reply. True: it was the last.
  virtual bool take(resp::Reply& reply) = 0;
};

struct Login {
  std::string user;
  std::string password;  ///< Empty: none.
  unsigned db = 0;
};

/// Thread-safe.
class Protocol final : public net::Protocol {
 public:
  using Wake = std::function<void(std::string_view name)>;

  /// `changed`: told which name has changed, on the thread that reads; all of them if it is empty.
  /// Has to be short.
  Protocol(Login login, Wake changed) : login_(std::move(login)), changed_(std::move(changed)) {}

  std::unique_ptr<net::Session> open() override;
  /// Whether the server tells of changes: it has said so when a connection was last made.
  bool tells_changes() const noexcept { return tells_changes_.load(std::memory_order_relaxed); }
  /// Why the last greeting failed may be another one's fault than the configuration's.
  bool may_recover() const noexcept { return may_recover_.load(std::memory_order_relaxed); }

 private:
  friend class Session;

  const Login login_;
  const Wake changed_;
  std::atomic<bool> tells_changes_{false};
  std::atomic<bool> may_recover_{false};
};

class Session final : public net::Session {
 public:
  explicit Session(Protocol& protocol) : protocol_(protocol) {}

  Greeting greet(std::string_view heard, std::size_t& used, std::string& say) override;
  net::Reading read(std::string_view bytes, net::Request* request) override;
  void pushed() noexcept override;
  void closed(const std::string& why) noexcept override;

 private:
  // What a reply of the greeting is to.
  enum class Said : std::uint8_t { hello, auth, select, tracking, courtesy };

  void say_hello(std::string& say);
  void say_login(std::string& say);
  void say_rest(std::string& say);
  Greeting take(const resp::Reply& reply, std::string& say);
  Greeting fail(std::string_view error, std::string& say) const;

  Protocol& protocol_;
  resp::Parser parser_;
  std::vector<Said> said_;  // Whose replies are to come, the next one last.
  bool began_ = false;
  bool old_ = false;  // The server knows RESP2 only.
};

}  // namespace dcache::redis
