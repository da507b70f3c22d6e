// SPDX-License-Identifier: MIT
#include "backends/redis/server.hpp"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "dcache/engine/executor.hpp"
#include "dcache/error.hpp"

#include "backends/redis/options.hpp"
#include "backends/redis/renewals.hpp"

namespace dcache::redis {

using engine::Op;
using engine::Ref;
using engine::Verb;
using net::Fault;
using net::Traffic;
using net::Waiting;

namespace {

// How many completions this thread is inside of.
thread_local unsigned telling = 0;

struct Telling {
  Telling() noexcept { ++telling; }
  Telling(const Telling&) = delete;
  Telling& operator=(const Telling&) = delete;
  ~Telling() { --telling; }
};

}  // namespace

/// A round of an exchange on its way.
class Server::OpRequest final : public Asking, public engine::Carrier {
 public:
  OpRequest(Server& server, Exchange exchange)
      : Asking(exchange.op().deadline()), server_(server), exchange_(std::move(exchange)) {}

  void send(net::Node& node, Waiting waiting, const void* loop = nullptr) {
    node_ = &node;
    repeatable = exchange_.repeatable();
    Message message = exchange_.write();
    if (message.head.empty()) return finish();
    const Traffic traffic = choose_traffic();
    head = std::move(message.head);
    body = message.body;
    tail = std::move(message.tail);
    const Ref<net::Request> request{Ref<OpRequest>(this)};
    if (loop == nullptr || traffic == Traffic::bulk) return node.submit(request, waiting, traffic);
    engine::Drivable* const connection = node.submit_looped(request, loop);
    if (looped()) connection_ = connection;
  }

  bool take(resp::Reply& reply) override { return answered_ = exchange_.take(reply); }

  void carry(engine::SteadyMoment until) noexcept override {
    Ref<OpRequest> current(this);
    while (node_->wait(*current, until) && current->next_) current = current->next_;
  }
  void left_alone() noexcept override {
    if (connection_ == nullptr) node_->hand_over(*this);
  }
  engine::Drivable* drivable() noexcept override { return connection_; }
  // A loop that has no more time does not look whether the server answers any more.
  void given_up() noexcept override {
    if (connection_ != nullptr) node_->hand_over(*this);
    for (Ref<OpRequest> each(this); each && !each->abandon(); each = each->next_) {
    }
  }

 protected:
  void done() noexcept override {
    const Telling now;
    const net::Trouble& why = trouble();
    if (why.fault == Fault::none) return finish();
    if (why.fault == Fault::timeout) {
      sent_ = exchange_.give_up(server_.trouble(why));
      return;
    }
    exchange_.fail(server_.trouble(why), why.fault == Fault::overloaded);
  }
  void late() noexcept override {
    const Telling now;
    const Ref<Op> sent = std::exchange(sent_, {});  // It keeps this alive, as this has kept it.
    if (answered_ && !exchange_.again()) return finish();
    exchange_.fail(server_.name() + ": no answer in time", false);
  }

 private:
  // A small request goes ahead of large ones.
  Traffic choose_traffic() noexcept {
    const Op& op = exchange_.op();
    bool large = false;
    for (const engine::Item& item : op.items) large = large || item.value.size() > Sizes::large;
    if (op.verb() == Verb::get || op.items.back().looks) {
      place_ = Sizes::place_of(op.items.back().key);
      large = server_.sizes_.is_large(place_);
    }
    return large ? Traffic::bulk : Traffic::small;
  }

  void learn() noexcept {
    const Op& op = exchange_.op();
    if (op.verb() == Verb::lease && server_.has_leases()) {
      renew_leases_of(server_.shared_from_this());
    }
    if (op.verb() != Verb::get) return;
    const engine::Item& last = op.items.back();
    if (last.reply == engine::Reply::found) server_.sizes_.learn(place_, last.value.size());
  }

  void finish() noexcept {
    try {
      if (exchange_.again()) {
        next_ = engine::make_ref<OpRequest>(server_, std::move(exchange_));
        return next_->send(*node_, Waiting::nobody);
      }
      learn();
      if (const Ref<Op> orphan = exchange_.finish()) server_.submit(orphan);
    } catch (const std::exception& error) {
      exchange_.fail(server_.name() + ": " + error.what(), true);
    }
  }

  Server& server_;
  net::Node* node_ = nullptr;
  engine::Drivable* connection_ = nullptr;  // That its loop drives.
  Exchange exchange_;
  std::size_t place_ = 0;  // Of its function, among sizes.
  Ref<Op> sent_;           // What its bytes lie in, after a timeout.
  Ref<OpRequest> next_;    // Written before this request completes.
  bool answered_ = false;
};

/// Leases that are due: each of their replies says whether it is one still.
class Server::Renewal final : public Asking {
 public:
  Renewal(Server& server, std::vector<HeldLeases::Due> due, net::Moment deadline)
      : Asking(deadline), server_(server), due_(std::move(due)) {
    head = renewal(due_, server.terms_);
    repeatable = true;
  }

  bool take(resp::Reply& reply) override {
    const HeldLeases::Due& due = due_[taken_];
    if (reply.kind() == resp::Kind::integer && reply.number() == 0) {
      server_.terms_.leases.forget(due.key, due.token);
    }
    return ++taken_ == due_.size();
  }

 private:
  Server& server_;
  const std::vector<HeldLeases::Due> due_;
  std::size_t taken_ = 0;
};

/// Whether it is there, and lets us in.
class Server::Ping final : public Asking {
 public:
  explicit Ping(net::Moment deadline) : Asking(deadline) {
    resp::append_command(head, {"PING"});
    repeatable = true;
  }
  bool take(resp::Reply& reply) override {
    if (reply.kind() == resp::Kind::error) error = trouble_of(reply.text());
    return true;
  }

  std::string error;
};

Server::Server(RedisOptions options)
    : options_(std::move(options)),
      terms_(name_of(options_), options_.lease),
      protocol_(
          std::make_shared<Protocol>(Login{options_.username, options_.password, options_.db},
                                     [this](std::string_view name) { waits_.changed(name); })) {
  check_options(options_, name());
}

void Server::let_go(std::shared_ptr<Server> server) noexcept {
  if (telling == 0 || !server) return;
  Server& last = *server;
  last.itself_ = std::move(server);
  try {
    engine::background().submit([&last] { const auto dropped = std::move(last.itself_); });
  } catch (const std::bad_alloc&) {
    // Then it stays.
  }
}

Server::~Server() { delete node_.load(); }

net::NodeOptions Server::node_options() const {
  net::NodeOptions node;
  node.endpoint = {options_.host, options_.port, options_.path};
  if (options_.tls) {
    node.tls = net::TlsOptions{.ca_file = options_.ca_file,
                               .certificate_file = options_.certificate_file,
                               .key_file = options_.key_file,
                               .server_name = options_.server_name,
                               .check_name = options_.verify,
                               .check_certificate = options_.verify};
  }
  node.connect_timeout = options_.connect_timeout;
  node.patience = options_.timeout * 2;
  return node;
}

net::Node& Server::node() {
  if (net::Node* const there = node_.load(std::memory_order_acquire)) return *there;
  auto made = std::make_unique<net::Node>(node_options(), protocol_);
  net::Node* expected = nullptr;
  if (node_.compare_exchange_strong(expected, made.get(), std::memory_order_acq_rel)) {
    return *made.release();
  }
  return *expected;
}

void Server::submit(const Ref<Op>& op) noexcept {
  if (closed_.load(std::memory_order_acquire)) return op->fail(name() + " is closed");
  try {
    send(op);
  } catch (const ConfigError& error) {
    op->refuse(error.what());
  } catch (const std::exception& error) {
    op->fail(error.what(), true);
  }
}

void Server::send(const Ref<Op>& op) {
  net::Node& there = node();
  if (op->verb() == Verb::await) {
    if (!protocol_->tells_changes()) return op->fail(name() + " does not tell of changes", true);
    return waits_.begin(op, there);
  }
  const bool attended = op->attended();
  const void* const loop = op->loop();
  const auto request = engine::make_ref<OpRequest>(*this, Exchange(op, terms_));
  op->carried_by(*request, Ref<engine::Counted>(request));
  request->send(there, attended ? Waiting::thread : Waiting::nobody, loop);
}

void Server::renew_leases(SteadyMoment now) noexcept {
  if (closed_.load(std::memory_order_acquire)) return terms_.leases.clear();
  try {
    std::vector<HeldLeases::Due> due = terms_.leases.due(now);
    if (due.empty()) return;
    const auto request = engine::make_ref<Renewal>(*this, std::move(due), now + options_.lease / 3);
    node().submit(Ref<net::Request>(request), Waiting::nobody);
  } catch (const std::exception&) {
    // They are due again in a third of their time.
  }
}

std::string Server::trouble(const net::Trouble& trouble) const {
  return name() + ": " + (trouble.why ? *trouble.why : "no answer");
}

void Server::check() {
  if (closed_.load(std::memory_order_acquire)) throw TierError("dcache: " + name() + " is closed");
  const net::Moment deadline =
      std::chrono::steady_clock::now() + options_.connect_timeout + options_.timeout;
  const auto ping = engine::make_ref<Ping>(deadline);
  net::Node& there = node();
  there.submit(Ref<net::Request>(ping), Waiting::thread);
  if (!there.wait(*ping, net::Moment::max())) {
    throw TierError("dcache: " + name() + " cannot be used: no answer");
  }
  const net::Trouble& why = ping->trouble();
  const std::string text = "dcache: " + name() + " cannot be used: ";
  if (why.fault == Fault::rejected && !protocol_->may_recover()) {
    throw ConfigError(text + (why.why ? *why.why : "it refused us"));
  }
  if (why.fault != Fault::none) throw TierError(text + (why.why ? *why.why : "no answer"));
  if (!ping->error.empty()) throw TierError(text + ping->error);
}

void Server::close() noexcept {
  closed_.store(true, std::memory_order_release);
  if (net::Node* const there = node_.load(std::memory_order_acquire)) {
    there->close(options_.timeout);
  }
  waits_.changed({});
}

}  // namespace dcache::redis
