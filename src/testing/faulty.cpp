// SPDX-License-Identifier: MIT
#include "testing/faulty.hpp"

#include <exception>
#include <mutex>
#include <utility>

#include "dcache/engine/hash.hpp"

namespace dcache::testing {

using engine::Completion;
using engine::Item;
using engine::make_ref;
using engine::Op;
using engine::Ref;
using engine::Verb;

namespace {
constexpr std::uint64_t another_secret = 0xE7037ED1A0B428DBU;  // Odd, half of its bits set.
}

// The answer that is late: until another one is, or the store goes.
class Faulty::Late {
 public:
  Late() = default;
  Late(const Late&) = delete;
  Late& operator=(const Late&) = delete;
  ~Late() { keep({}); }

  void keep(Ref<Op> op) noexcept {
    {
      const std::lock_guard lock(mutex_);
      std::swap(op, op_);
    }
    if (op) op->complete();
  }

 private:
  std::mutex mutex_;
  Ref<Op> op_;  // Guarded by mutex_.
};

// What was handed on to the store; lives until the store has answered.
class Faulty::Forwarded final : public engine::Counted, public Completion {
 public:
  Forwarded(std::shared_ptr<Late> late, Ref<Op> asked, Fault fault)
      : late_(std::move(late)),
        asked_(std::move(asked)),
        sent_(make_ref<Op>(asked_->verb(), asked_->items, asked_->deadline())),
        fault_(fault) {}

  static void send(const Faulty& from, const Ref<Op>& asked, Fault fault) {
    auto forwarded = make_ref<Forwarded>(from.late_, asked, fault);
    const Ref<Op> sent = forwarded->sent_;
    Completion& told = *forwarded.leak();
    sent->attend();
    from.backend_->submit(sent);
    if (!sent->listen(told)) told.completed();
  }

  void completed() noexcept override {
    const Ref<Forwarded> last = Ref<Forwarded>::adopt(this);
    if (sent_->refused()) return asked_->refuse(sent_->trouble());
    if (!sent_->trouble().empty()) return asked_->fail(sent_->trouble(), sent_->reachable());
    if (fault_ == Fault::answer_lost) return asked_->fail("the answer was lost, as a test");
    asked_->items = std::move(sent_->items);
    if (fault_ == Fault::damaged) damage();
    if (fault_ == Fault::late) return late_->keep(asked_);
    asked_->complete();
  }

 private:
  void damage() noexcept {
    constexpr std::size_t mark_size = sizeof(engine::Mark);
    for (Item& item : asked_->items) {
      if (item.value.size() <= mark_size) continue;
      char& byte = item.value[item.value.size() / 2];
      byte = static_cast<char>(byte ^ 0x20);
    }
  }

  const std::shared_ptr<Late> late_;
  const Ref<Op> asked_;
  const Ref<Op> sent_;
  const Fault fault_;
};

Faulty::Faulty(std::shared_ptr<engine::Backend> backend)
    : backend_(std::move(backend)), late_(std::make_shared<Late>()) {}

engine::Capabilities Faulty::capabilities() const noexcept {
  engine::Capabilities can = backend_->capabilities();
  can.local = can.leases = can.wakes = false;
  return can;
}

Faulty::Fault Faulty::next(Verb verb) noexcept {
  // Mixed twice: multiples of one number follow each other too evenly.
  const std::uint64_t number = engine::mix(++asked_, engine::hash_secret);
  const std::uint64_t chance = engine::mix(number, another_secret) >> 16U;
  if (chance % 5 != 0) return Fault::none;
  const std::uint64_t kind = chance / 5 % 12;
  if (verb != Verb::get) return kind < 6 ? Fault::lost : Fault::answer_lost;
  return kind == 0 ? Fault::late : kind < 6 ? Fault::damaged : Fault::lost;
}

void Faulty::submit(const Ref<Op>& op) noexcept {
  const Fault fault = next(op->verb());
  if (fault == Fault::lost) return op->fail("it never arrived, as a test");
  try {
    Forwarded::send(*this, op, fault);
  } catch (const std::exception& error) {
    op->fail(error.what());
  }
}

}  // namespace dcache::testing
