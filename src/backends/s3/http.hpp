// SPDX-License-Identifier: MIT
/// HTTP/1.1 over libcurl: many requests at once on one thread, over connections that are kept.
///
/// Nothing here follows a redirect, waits for `100 Continue`, or mends a path: what is signed is
/// what is sent.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "dcache/engine/lock.hpp"
#include "dcache/engine/operation.hpp"
#include "dcache/engine/ref.hpp"

#include "base/per_process.hpp"
#include "wire/sigv4.hpp"

namespace dcache::http {

using engine::SteadyMoment;
using sigv4::Fields;

struct Request {
  std::string method = "GET";
  std::string url;  ///< Whole, and encoded.
  Fields headers;
  std::string_view body = {};  ///< Valid until the exchange has ended.
  /// A reply with a longer body is `too_large`, as soon as that is known: no more of it is read.
  /// Of one that is not 2xx the first 64 KiB are kept, and it is what it is.
  std::size_t reply_max = std::size_t{1} << 20U;
  SteadyMoment not_before = SteadyMoment::min();
  /// Of all of it, waiting for a free connection included.
  SteadyMoment deadline = SteadyMoment::max();
  std::chrono::milliseconds connect_timeout{1000};
  std::string ca_file = {};  ///< In PEM, instead of the system's. Empty: those.
  bool proxies = true;       ///< Those of the environment are used.
};

/// Why there is no whole reply.
enum class Fault : std::uint8_t {
  none,
  timeout,    ///< The deadline has passed.
  broken,     ///< No connection, or one that ended early: another attempt may do.
  too_large,  ///< The body.
  untrusted,  ///< TLS: the certificate.
  closed,     ///< Here: by `close`, or given up.
};

struct Reply {
  int status = 0;  ///< Of HTTP. REQUIRES, as all but `fault` and `trouble`: no fault.
  Fields headers;
  std::string body;
  Fault fault = Fault::none;
  std::string trouble;  ///< Of a fault, for people.

  /// The value of a header, by its name in lower case; empty if it is not there.
  std::string_view header(std::string_view name) const noexcept;
};

/// One request and its reply.
class Exchange : public engine::Counted {
 public:
  Request request;
  Reply reply;

  /// The reply is there, or why there is none. On the client's thread, with no lock held; it may
  /// send the exchange again.
  virtual void ended() noexcept = 0;
};

/// Thread-safe. Requests are moved along by one thread at a time: one that waits for one of them
/// and comes to `drive`, else one of the client's own, which is there while there is something to
/// do. Fork: a child has connections and a thread of its own; what the parent was doing is the
/// parent's.
class Client {
 public:
  /// Requests under way at a time, each on a connection; the others wait, those with the nearest
  /// deadline in front.
  static constexpr std::size_t connections_max = 128;
  /// Requests that wait; more end as `broken` at once.
  static constexpr std::size_t waiting_max = 16'384;

  Client() = default;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();

  /// `driven`: this thread is going to `drive`, or to `hand_over`.
  void send(const engine::Ref<Exchange>& exchange, bool driven = false) noexcept;
  /// Moves all along until `ended` says so, or until `moment`; returns at once if another thread
  /// does. What is left then is the client's own thread's.
  void drive(SteadyMoment moment, const std::function<bool()>& ended) noexcept;
  /// Nobody comes to drive.
  void hand_over() noexcept;
  /// It ends soon, as `closed`, if it has not ended.
  void give_up(const engine::Ref<Exchange>& exchange) noexcept;
  /// All end as `closed`, from now on.
  void close() noexcept;

 private:
  class Loop;
  struct Loops {
    Loops();
    std::shared_ptr<Loop> loop;
  };

  std::shared_ptr<Loop> loop();

  engine::Lock lock_;
  engine::PerProcess<Loops> loops_;  // Guarded by lock_.
  bool closed_ = false;              // Guarded by lock_.
};

/// One request, and its thread waits. For what is asked rarely.
Reply fetch(const Request& request);

}  // namespace dcache::http
