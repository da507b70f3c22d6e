// SPDX-License-Identifier: MIT
#include "backends/redis/exchange.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "backends/redis/names.hpp"

namespace dcache::redis {

using engine::Item;
using engine::Op;
using engine::Ref;
using engine::Reply;
using engine::Verb;
using resp::Kind;

namespace {

using Milliseconds = std::chrono::milliseconds;

constexpr std::size_t copied_max = 4096;  // Larger values are sent from where they lie.
// How long a token lives: as long as anybody may compute; and after a fill, when those who compute
// the same beside it are told.
constexpr Milliseconds watch_lasts = std::chrono::hours(24);
constexpr Milliseconds watch_lasts_after_fill = std::chrono::minutes(1);

std::int64_t milliseconds(std::chrono::nanoseconds span) {
  return std::max<std::int64_t>(1, std::chrono::ceil<Milliseconds>(span).count());
}

// For Redis's own clock: from now on; 0: no end.
std::int64_t lasts(engine::WallTime expires) {
  constexpr std::int64_t longest = std::int64_t{100} * 365 * 86'400'000;
  if (expires == engine::no_end) return 0;
  const engine::WallTime left = expires - engine::wall_now();
  return std::clamp<std::int64_t>((left + 999) / 1000, 1, longest);
}

// The words of one command, into a message.
class Words {
 public:
  Words(Message& message, std::size_t count) : message_(message) {
    resp::append_head(text(), count);
  }
  Words& operator<<(std::string_view word) {
    resp::append_word(text(), word);
    return *this;
  }
  Words& operator<<(std::int64_t number) {
    resp::append_word(text(), number);
    return *this;
  }
  void name(std::string_view key) { append_name(text(), key); }
  // Of the record and what is beside it.
  void names(std::string_view key) {
    for (const std::string_view suffix : {std::string_view(), watch_suffix, lease_suffix}) {
      append_name(text(), key, suffix);
    }
  }
  // The one word that may be large.
  void value(std::string_view bytes, bool copied) {
    if (copied || bytes.size() <= copied_max) {
      *this << bytes;
      return;
    }
    resp::append_word_head(text(), bytes.size());
    message_.body = bytes;
    message_.tail = "\r\n";
  }

 private:
  std::string& text() { return message_.body.empty() ? message_.head : message_.tail; }

  Message& message_;
};

Words call(Message& out, const Script& script, std::string_view key, std::size_t arguments,
           bool with_text) {
  Words words(out, 6 + arguments);
  words << (with_text ? "EVAL" : "EVALSHA") << (with_text ? script.text : script.digest) << "3";
  words.names(key);
  return words;
}

}  // namespace

Message Exchange::write() {
  Message out;
  taken_ = 0;
  second_round_ = again();
  if (second_round_) {
    asked_ = std::exchange(retry_, {});
    asks_all_ = false;
  } else if (op_->verb() == Verb::release) {
    drop_leases();
  }
  count_ = asks_all_ ? op_->items.size() : asked_.size();
  constexpr std::size_t frame = 48;
  if (count_ > 0) out.head.reserve(count_ * (op_->items.front().key.size() + frame));
  for (std::size_t command = 0; command < count_; ++command) {
    write_item(out, op_->items[item_of(command)], second_round_);
  }
  return out;
}

bool Exchange::repeatable() const noexcept {
  return std::none_of(op_->items.begin(), op_->items.end(),
                      [](const Item& item) { return item.kills; });
}

// Those that somebody here has, too, stay.
void Exchange::drop_leases() {
  asks_all_ = false;
  for (std::size_t at = 0; at < op_->items.size(); ++at) {
    Item& item = op_->items[at];
    item.reply = Reply::done;
    if (terms_.leases.drop(item.key, item.token)) asked_.push_back(at);
  }
}

void Exchange::write_item(Message& out, Item& item, bool with_text) const {
  if (op_->verb() == Verb::get) return (Words(out, 2) << "GET").name(item.key);
  const Scripts& all = scripts();
  const bool copied = op_->items.size() > 1;
  const std::int64_t watch = watch_lasts.count();
  switch (op_->verb()) {
    case Verb::erase:
      (Words(out, 4) << "UNLINK").names(item.key);
      return;
    case Verb::put:
    case Verb::add: {
      Words words = call(out, op_->verb() == Verb::put ? all.put : all.add, item.key, 2, with_text);
      words.value(item.value, copied);
      words << lasts(item.expires);
      return;
    }
    case Verb::watch:
      call(out, all.watch, item.key, 2, with_text) << token_text(new_token()) << watch;
      return;
    case Verb::lease:
      call(out, all.lease, item.key, 6, with_text)
          << token_text(new_token()) << watch << terms_.leases.holder()
          << milliseconds(terms_.lease_lasts) << (item.looks ? "1" : "0") << item.value;
      return;
    case Verb::fill: {
      const bool last = with_text || terms_.leases.drop(item.key, item.token);
      Words words = call(out, all.fill, item.key, 6, with_text);
      words.value(item.value, copied);
      words << lasts(item.expires) << token_text(item.token)
            << (last ? terms_.leases.lease_text(item.token) : "") << (item.kills ? "1" : "0")
            << watch_lasts_after_fill.count();
      return;
    }
    case Verb::release:
      call(out, all.release, item.key, 1, with_text) << terms_.leases.lease_text(item.token);
      return;
    case Verb::get:
    case Verb::await:  // Is no exchange (waits.hpp).
      return;
  }
}

bool Exchange::take(resp::Reply& reply) {
  Item& item = op_->items[item_of(taken_)];
  if (reply.kind() != Kind::error) {
    take_item(item, reply);
  } else if (!second_round_ && reply.text().starts_with("NOSCRIPT")) {
    retry_.push_back(item_of(taken_));
  } else {
    take_error(item, reply.text());
  }
  return ++taken_ == count_;
}

void Exchange::take_item(Item& item, resp::Reply& reply) {
  switch (op_->verb()) {
    case Verb::get:
      item.reply = reply.kind() == Kind::bulk ? Reply::found : Reply::missing;
      if (item.reply == Reply::found) item.value = reply.take_text();
      return;
    case Verb::add:
      item.reply = reply.kind() == Kind::bulk ? Reply::found : Reply::done;
      if (item.reply == Reply::found) item.value = reply.take_text();
      return;
    case Verb::erase:
      item.reply = reply.number() > 0 ? Reply::done : Reply::missing;
      return;
    case Verb::put:
    case Verb::release:
      item.reply = Reply::done;
      return;
    case Verb::watch:
      take_token(item, reply.text());
      item.reply = Reply::done;
      return;
    case Verb::lease:
      return take_lease(item, reply);
    case Verb::fill:
      item.reply = reply.number() == 1 ? Reply::done : Reply::refused;
      return;
    case Verb::await:
      return;
  }
}

// What is none comes from something else than Redis. It must not be taken for a lease: who waits
// for that one waits in vain.
void Exchange::take_token(Item& item, std::string_view text) {
  item.token = token_of(text);
  if (item.token == 0) trouble_ = terms_.name + ": it answers a script with something else";
}

void Exchange::take_lease(Item& item, resp::Reply& reply) {
  if (reply.kind() == Kind::bulk) {
    item.reply = Reply::found;
    item.value = reply.take_text();
    return;
  }
  take_token(item, reply.text(reply.nodes().back()));
  item.reply = reply.kind() == Kind::simple ? Reply::done : Reply::busy;
  if (item.reply == Reply::busy || item.token == 0) return;
  terms_.leases.add(item.key, item.token, std::chrono::steady_clock::now());
}

void Exchange::take_error(Item& item, std::string_view text) {
  if (op_->verb() == Verb::get && text.starts_with("WRONGTYPE")) {
    item.reply = Reply::missing;  // What somebody has put in the place of a record is none of ours.
    return;
  }
  if (!trouble_.empty()) return;
  trouble_ = terms_.name + ": " + trouble_of(text);
  // Of these no next time is to be expected; the others are about this command.
  for (const std::string_view code : {"NOAUTH", "NOPERM", "WRONGPASS"}) {
    if (text.starts_with(code)) reachable_ = false;
  }
}

Ref<Op> Exchange::finish() {
  const Ref<Op> op = std::exchange(op_, {});
  if (!trouble_.empty()) {
    op->fail(std::move(trouble_), reachable_);
  } else {
    op->complete();
  }
  // Asked after it completed: whoever gave it up before that does not know of its lease.
  if (op->verb() != Verb::lease || !op->abandoned()) return {};
  std::vector<Item> orphans;
  for (const Item& item : op->items) {
    if (item.reply != Reply::done) continue;
    Item& orphan = orphans.emplace_back();
    orphan.key = item.key;
    orphan.token = item.token;
  }
  if (orphans.empty()) return {};
  constexpr std::chrono::seconds patience{1};
  return engine::make_ref<Op>(Verb::release, std::move(orphans),
                              std::chrono::steady_clock::now() + patience);
}

void Exchange::fail(std::string why, bool reachable) {
  const Ref<Op> op = std::exchange(op_, {});
  op->fail(std::move(why), reachable);
}

Ref<Op> Exchange::give_up(std::string why) {
  std::vector<Item> items(op_->items.size());
  for (std::size_t at = 0; at < items.size(); ++at) {
    items[at].key = op_->items[at].key;
    items[at].token = op_->items[at].token;
  }
  const auto stand_in = engine::make_ref<Op>(op_->verb(), std::move(items), op_->deadline());
  stand_in->abandon();
  Ref<Op> op = std::exchange(op_, stand_in);
  op->fail(std::move(why), false);
  return op;
}

std::string renewal(const std::vector<HeldLeases::Due>& due, Terms& terms) {
  Message out;
  for (const auto& [key, token] : due) {
    call(out, scripts().renew, key, 3, true)
        << terms.leases.lease_text(token) << milliseconds(terms.lease_lasts) << watch_lasts.count();
  }
  return std::move(out.head);
}

namespace {

// The command that it does not know, which it names between quotes. What follows repeats what it
// was sent, which may be a password: nothing of that is told.
std::string unknown_of(std::string_view error) {
  constexpr std::string_view head = "ERR unknown command ", quotes = "'`",
                             capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  constexpr std::size_t longest = 16;
  error.remove_prefix(std::min(error.size(), head.size()));
  if (error.empty() || quotes.find(error.front()) == std::string_view::npos) error = {};
  const std::string_view rest = error.substr(std::min<std::size_t>(1, error.size()));
  const std::string_view name = rest.substr(0, rest.find_first_of(quotes));
  const bool is_name = !name.empty() && name.size() <= longest &&
                       name.find_first_not_of(capitals) == std::string_view::npos;
  return is_name ? "the command " + std::string(name) : "a command of ours";
}

}  // namespace

std::string trouble_of(std::string_view error) {
  constexpr std::size_t longest = 200;
  if (error.starts_with("ERR unknown")) return "it does not know " + unknown_of(error);
  std::string text;
  for (const std::string_view code : {"MOVED ", "ASK ", "CLUSTERDOWN", "CROSSSLOT"}) {
    if (error.starts_with(code)) text = "it is part of a cluster, which is not supported yet: ";
  }
  for (const char letter : error.substr(0, longest)) {
    text += letter < ' ' || letter > '~' ? '?' : letter;
  }
  return text;
}

}  // namespace dcache::redis
