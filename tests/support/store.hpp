// SPDX-License-Identifier: MIT
/// A store in memory whose every operation a test can hold, fail or let go.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "dcache/engine/backend.hpp"

namespace dcache::test {

/// Completes operations at once, or, while it is `slow`, on a thread of its own when `release` is
/// called.
class Store final : public engine::Backend {
 public:
  enum class Temper { fine, slow, down };

  explicit Store(std::string name = "store", engine::Capabilities can = {})
      : name_(std::move(name)), can_(can) {}
  ~Store() override { release(); }

  std::string name() const override { return name_; }
  engine::Capabilities capabilities() const noexcept override { return can_; }
  std::chrono::nanoseconds budget() const noexcept override { return budget_of_a_call; }
  std::chrono::nanoseconds near_ttl() const noexcept override { return nearer_are_believed; }
  std::chrono::nanoseconds mark_ttl() const noexcept override { return marks_are_believed; }
  void check() override {}

  void submit(const engine::Ref<engine::Op>& op) noexcept override {
    Temper temper = Temper::fine;
    {
      const std::lock_guard lock(mutex_);
      ++asked_;
      temper = temper_;
      if (temper == Temper::slow) held_.push_back(op);
    }
    if (temper == Temper::fine) answer(*op);
    if (temper == Temper::down) op->fail(name_ + " is down");
  }

  void set(Temper temper) {
    const std::lock_guard lock(mutex_);
    temper_ = temper;
  }
  /// Answers what was held, on another thread, and is fine from now on.
  void release() {
    std::deque<engine::Ref<engine::Op>> held;
    {
      const std::lock_guard lock(mutex_);
      held.swap(held_);
      temper_ = Temper::fine;
    }
    std::thread([&] {
      for (const auto& op : held) answer(*op);
    }).join();
  }
  std::size_t held() const {
    const std::lock_guard lock(mutex_);
    return held_.size();
  }
  std::size_t asked() const {
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  std::map<std::string, std::string> kept() const {
    const std::lock_guard lock(mutex_);
    return kept_;
  }

  std::chrono::milliseconds budget_of_a_call{100};
  std::chrono::seconds nearer_are_believed{5};
  std::chrono::seconds marks_are_believed{1};

 private:
  void answer(engine::Op& op) noexcept {
    {
      const std::lock_guard lock(mutex_);
      for (engine::Item& item : op.items) answer(op.verb(), item);
    }
    op.complete();
  }
  void answer(engine::Verb verb, engine::Item& item) {
    const auto found = kept_.find(item.key);
    switch (verb) {
      case engine::Verb::get:
        item.reply = found == kept_.end() ? engine::Reply::missing : engine::Reply::found;
        if (found != kept_.end()) item.value = found->second;
        return;
      case engine::Verb::erase:
        item.reply = found == kept_.end() ? engine::Reply::missing : engine::Reply::done;
        if (found != kept_.end()) kept_.erase(found);
        return;
      default:
        kept_[item.key] = item.value;
        item.reply = engine::Reply::done;
    }
  }

  const std::string name_;
  const engine::Capabilities can_;
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  Temper temper_ = Temper::fine;
  std::deque<engine::Ref<engine::Op>> held_;
  std::map<std::string, std::string> kept_;
  std::size_t asked_ = 0;
};

}  // namespace dcache::test
