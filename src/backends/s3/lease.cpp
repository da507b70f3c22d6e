// SPDX-License-Identifier: MIT
#include "backends/s3/lease.hpp"

#include <chrono>
#include <utility>

#include "backends/s3/signer.hpp"
#include "base/hex.hpp"

namespace dcache::s3 {

using engine::Reply;
using engine::Verb;

namespace {

const Verdict restless{.why = "the object comes and goes", .reachable = true};

// Its rule deletes what nobody has come back for.
engine::WallTime in_a_day() {
  return engine::wall_now() + engine::microseconds(std::chrono::hours(24));
}

// Without its quotation marks: Ceph's gateway compares them, too, and S3 takes both.
std::string tag_in(const http::Reply& reply) {
  std::string tag(reply.header("etag"));
  std::erase(tag, '"');
  return tag;
}

}  // namespace

bool Lease::known() {
  const Verb verb = op().verb();
  const bool guarded = store().conditional_writes.load(std::memory_order_relaxed);
  const bool begins = verb == Verb::watch || verb == Verb::lease;
  const auto of = verb == Verb::watch ? std::nullopt : store().tokens.find(item().token);
  if (begins && !guarded) {
    give({});
  } else if (verb == Verb::lease && of && of->record && !item().looks) {
    answered(Reply::done);  // A placeholder would take the record away from those who may use it.
  } else if (verb == Verb::fill && !of) {
    answered(Reply::refused);
  } else if (verb == Verb::release && (!of || of->record || !guarded)) {
    answered(Reply::done);
  } else {
    looks_ = verb == Verb::lease && of && (of->taken || of->record);
    if (of && guarded && !looks_) tag_ = of->tag;
    return false;
  }
  return true;
}

void Lease::ask(const Settings&) {
  if (looks_) return get(item().looks ? std::string_view() : Placeholder::range);
  const Verb verb = op().verb();
  const bool guarded = store().conditional_writes.load(std::memory_order_relaxed);
  sigv4::Field condition{"If-None-Match", "*"};
  if (!tag_.empty()) condition = {"If-Match", tag_};
  if (verb == Verb::fill) {
    return put(item().value, guarded && !tag_.empty() ? condition : sigv4::Field(), item().expires);
  }
  const auto lasts = std::chrono::ceil<std::chrono::seconds>(store().options().lease).count();
  text_ = store().tokens.new_placeholder(verb == Verb::lease ? store().unix_seconds() + lasts : 0);
  put(text_, condition, in_a_day());
}

void Lease::done() {
  if (looks_) return take_what_is_there();
  if (op().verb() == Verb::fill || op().verb() == Verb::release) return answered(Reply::done);
  std::string tag = tag_in(reply);
  if (tag.empty()) tag = engine::hex(md5(text_));
  give({.tag = std::move(tag)});
}

void Lease::take_what_is_there() {
  if (item().looks && !is_intact(reply)) {
    return again({Meaning::again, "the body is not what its ETag says", "", true});
  }
  const std::string tag = tag_in(reply);
  const auto placeholder = Placeholder::read(reply.body);
  if (!placeholder) {
    if (!item().looks || !engine::is_news(reply.body, item().value)) {
      return give({.tag = tag, .record = true});
    }
    item().value = std::move(reply.body);
    return answered(Reply::found);
  }
  const bool computes = placeholder->until > store().unix_seconds();
  const bool ours = placeholder->holder == store().tokens.holder();
  const bool watches = op().verb() == Verb::watch;
  if (watches || (computes && ours)) return give({.tag = tag, .taken = watches && computes});
  if (computes) {
    item().token = store().tokens.add({.tag = tag, .taken = true});
    return answered(Reply::busy);
  }
  looks_ = false;
  tag_ = tag;  // Nobody computes: it is taken over.
  another_way(restless);
}

void Lease::exists() {
  if (op().verb() == Verb::fill) return answered(Reply::refused);
  if (op().verb() == Verb::release) return answered(Reply::done);
  looks_ = true;
  another_way(restless);
}

void Lease::missing() {
  if (op().verb() == Verb::fill) return answered(Reply::refused);
  if (op().verb() == Verb::release) return answered(Reply::done);
  looks_ = false;
  tag_.clear();
  another_way(restless);
}

// Nothing is guarded then, and all compute.
void Lease::unconditional() {
  if (op().verb() == Verb::fill) return send();
  if (op().verb() == Verb::release) return answered(Reply::done);
  give({});
}

void Lease::give(Tokens::Of of) {
  item().token = store().tokens.add(std::move(of));
  answered(Reply::done);
}

}  // namespace dcache::s3
