// SPDX-License-Identifier: MIT
#include "backends/redis/waits.hpp"

#include <algorithm>
#include <array>
#include <mutex>
#include <utility>

#include "backends/redis/names.hpp"

namespace dcache::redis {

using engine::Op;
using engine::Ref;

/// One operation that waits. It is over when its name has changed, its request fails or it is given
/// up, whichever comes first.
class Wait final : public Asking, public engine::Carrier {
 public:
  Wait(Ref<Op> op, Waits& waits, net::Node& node)
      : Asking(op->deadline()),
        names_{record_name(op->items.front().key),
               record_name(op->items.front().key) + std::string(lease_suffix)},
        waits_(waits),
        node_(node),
        op_(std::move(op)) {
    resp::append_command(head, {"CLIENT", "CACHING", "YES"});
    resp::append_command(head, {"MGET", names_[0], names_[1]});
  }

  const std::array<std::string, 2>& names() const noexcept { return names_; }

  // Before it is sent: a change may be told as soon as the reply is there.
  void begin() {
    op_->carried_by(*this, Ref<engine::Counted>(Ref<Wait>(this)));
    node_.listen(true);
    waits_.add(Ref<Wait>(this));
    node_.submit(Ref<net::Request>(Ref<Wait>(this)), net::Waiting::nobody);
  }

  // Nobody has the lease: there is nothing to wait for. Whatever value is there was there before;
  // whoever has the lease ends it in the step that stores.
  bool take(resp::Reply& reply) override {
    if (reply.kind() == resp::Kind::error) failed_ = true;
    if (std::exchange(tracked_, true)) {
      const auto& nodes = reply.nodes();
      const bool waits = !failed_ && nodes.size() == 3 && nodes[2].kind == resp::Kind::bulk;
      news_ = !waits;
      return true;
    }
    return false;
  }

  void end(bool failed) noexcept {
    if (ended_.exchange(true)) return;
    const Ref<Op> op = std::exchange(op_, {});
    waits_.remove(*this);
    node_.listen(false);
    if (failed) return op->fail("changes are not told", true);
    op->items.front().reply = engine::Reply::done;
    op->complete();
  }

  // The I/O thread reads for who listens: there is nothing to help with.
  void carry(engine::SteadyMoment) noexcept override {}
  void left_alone() noexcept override {}
  void given_up() noexcept override {
    abandon();
    end(true);
  }

 protected:
  void done() noexcept override {
    if (trouble().fault != net::Fault::none || news_) end(failed_ || !news_);
  }

 private:
  const std::array<std::string, 2> names_;
  Waits& waits_;
  net::Node& node_;
  Ref<Op> op_;
  std::atomic<bool> ended_{false};
  bool tracked_ = false;
  bool failed_ = false;
  bool news_ = false;
};

Waits::Waits() = default;
Waits::~Waits() = default;

void Waits::begin(const Ref<Op>& op, net::Node& node) {
  const auto wait = engine::make_ref<Wait>(op, *this, node);
  wait->begin();
}

void Waits::add(const Ref<Wait>& wait) {
  const std::lock_guard lock(lock_);
  for (const std::string& name : wait->names()) waiting_.get()[name].push_back(wait);
}

void Waits::remove(const Wait& wait) noexcept {
  const std::lock_guard lock(lock_);
  Table& all = waiting_.get();
  for (const std::string& name : wait.names()) {
    const auto found = all.find(name);
    if (found == all.end()) continue;
    auto& waits = found->second;
    waits.erase(std::remove_if(waits.begin(), waits.end(),
                               [&](const Ref<Wait>& each) { return each.get() == &wait; }),
                waits.end());
    if (waits.empty()) all.erase(found);
  }
}

void Waits::changed(std::string_view name) noexcept {
  std::vector<Ref<Wait>> woken;
  {
    const std::lock_guard lock(lock_);
    Table& all = waiting_.get();
    if (all.empty()) return;
    if (name.empty()) {
      for (const auto& [each, waits] : all) woken.insert(woken.end(), waits.begin(), waits.end());
    } else if (const auto found = all.find(std::string(name)); found != all.end()) {
      woken = found->second;
    }
  }
  for (const Ref<Wait>& wait : woken) wait->end(false);
}

}  // namespace dcache::redis
