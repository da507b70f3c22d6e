// SPDX-License-Identifier: MIT
#include "backends/redis/session.hpp"

#include <utility>

#include "backends/redis/exchange.hpp"

namespace dcache::redis {

using resp::Kind;
using resp::Parser;

namespace {

bool starts_with_any(std::string_view text, std::initializer_list<std::string_view> codes) {
  for (const std::string_view code : codes) {
    if (text.starts_with(code)) return true;
  }
  return false;
}

}  // namespace

std::unique_ptr<net::Session> Protocol::open() { return std::make_unique<Session>(*this); }

// All at once: what follows a HELLO that fails does no harm.
Session::Greeting Session::greet(std::string_view heard, std::size_t& used, std::string& say) {
  if (!std::exchange(began_, true)) say_hello(say);
  while (!said_.empty() && !heard.empty()) {
    const std::size_t before = heard.size();
    const Parser::State state = parser_.read(heard);
    used += before - heard.size();
    if (state == Parser::State::more) break;
    if (state == Parser::State::fault) {
      say = std::string("it does not speak Redis's protocol: it sent ") +
            resp::name_of(parser_.fault());
      return Greeting::failed;
    }
    if (parser_.reply().kind() == Kind::push) continue;
    if (take(parser_.reply(), say) == Greeting::failed) return Greeting::failed;
  }
  return said_.empty() ? Greeting::done : Greeting::more;
}

void Session::say_hello(std::string& say) {
  const Login& login = protocol_.login_;
  if (login.password.empty()) {
    resp::append_command(say, {"HELLO", "3", "SETNAME", "dcache"});
  } else {
    const std::string_view user = login.user.empty() ? "default" : std::string_view(login.user);
    resp::append_command(say, {"HELLO", "3", "AUTH", user, login.password, "SETNAME", "dcache"});
  }
  said_.push_back(Said::hello);
  resp::append_command(say, {"CLIENT", "TRACKING", "ON", "OPTIN"});
  said_.insert(said_.begin(), Said::tracking);
  say_rest(say);
}

// For servers before 6.0, and where an ACL does not allow HELLO.
void Session::say_login(std::string& say) {
  const Login& login = protocol_.login_;
  old_ = true;
  if (!login.password.empty()) {
    if (login.user.empty()) {
      resp::append_command(say, {"AUTH", login.password});
    } else {
      resp::append_command(say, {"AUTH", login.user, login.password});
    }
    said_.insert(said_.begin(), Said::auth);
  }
  resp::append_command(say, {"CLIENT", "SETNAME", "dcache"});
  said_.insert(said_.begin(), Said::courtesy);
  say_rest(say);
}

void Session::say_rest(std::string& say) {
  if (protocol_.login_.db == 0) return;
  resp::append_command(say, {"SELECT", std::to_string(protocol_.login_.db)});
  said_.insert(said_.begin(), Said::select);
}

Session::Greeting Session::take(const resp::Reply& reply, std::string& say) {
  const Said to = said_.back();
  said_.pop_back();
  const bool failed = reply.kind() == Kind::error;
  switch (to) {
    case Said::hello:
      if (!failed) return Greeting::more;
      if (!starts_with_any(reply.text(), {"ERR unknown", "NOPROTO", "NOPERM", "ERR syntax"})) {
        return fail(reply.text(), say);
      }
      for (Said& each : said_) each = Said::courtesy;  // Asked without a login.
      say_login(say);
      return Greeting::more;
    case Said::auth:
    case Said::select:
      return failed ? fail(reply.text(), say) : Greeting::more;
    case Said::tracking:
      protocol_.tells_changes_.store(!failed, std::memory_order_relaxed);
      return Greeting::more;
    case Said::courtesy:
      if (failed && protocol_.login_.password.empty() && reply.text().starts_with("NOAUTH")) {
        return fail(reply.text(), say);
      }
      if (old_) protocol_.tells_changes_.store(false, std::memory_order_relaxed);
      return Greeting::more;
  }
  return Greeting::more;
}

Session::Greeting Session::fail(std::string_view error, std::string& say) const {
  const bool ours = starts_with_any(
      error, {"WRONGPASS", "NOAUTH", "NOPERM", "ERR invalid password", "ERR DB index",
              "ERR invalid DB", "ERR AUTH", "ERR Client sent AUTH", "ERR SELECT"});
  protocol_.may_recover_.store(!ours, std::memory_order_relaxed);
  say = starts_with_any(error, {"NOAUTH"}) ? "it wants a password, and none was given"
                                           : trouble_of(error);
  return Greeting::failed;
}

net::Reading Session::read(std::string_view bytes, net::Request* request) {
  using What = net::Reading::What;
  net::Reading reading;
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const Parser::State state = parser_.read(rest);
    reading.used = bytes.size() - rest.size();
    if (state == Parser::State::more) return reading;
    if (state == Parser::State::fault) {
      reading.what = What::malformed;
      reading.why = std::string("it sent ") + resp::name_of(parser_.fault());
      return reading;
    }
    if (parser_.reply().kind() == Kind::push) {
      reading.what = What::push;
      return reading;
    }
    if (request == nullptr) {
      reading.what = What::malformed;
      reading.why = "it sent a reply to nothing: " + trouble_of(parser_.reply().text());
      return reading;
    }
    if (static_cast<Asking*>(request)->take(parser_.reply())) {
      reading.what = What::reply;
      return reading;
    }
    request->repeatable = false;
  }
  return reading;
}

// `invalidate` and the names that have changed; null: all of them.
void Session::pushed() noexcept {
  const resp::Reply& push = parser_.reply();
  const auto& nodes = push.nodes();
  if (nodes.size() < 3 || push.text(nodes[1]) != "invalidate") return;
  if (nodes[2].kind == Kind::null) return protocol_.changed_({});
  for (std::size_t at = 3; at < nodes.size(); ++at) protocol_.changed_(push.text(nodes[at]));
}

// What is waited for may have changed meanwhile.
void Session::closed(const std::string& why) noexcept {
  static_cast<void>(why);
  protocol_.changed_({});
}

}  // namespace dcache::redis
