// SPDX-License-Identifier: MIT
/// Threads of a model: coroutines that one real thread runs in an order that a seed chooses. What
/// stands between two `co_await` is one atomic step of the real thing.
#pragma once

#include <coroutine>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <random>
#include <utility>
#include <vector>

namespace dcache::net::test {

class Fibers {
 public:
  using Condition = std::function<bool()>;

  /// What a fiber does; awaited, it is a part of another one.
  class Steps {
   public:
    struct promise_type {
      std::coroutine_handle<> parent;

      Steps get_return_object() {
        return Steps(std::coroutine_handle<promise_type>::from_promise(*this));
      }
      std::suspend_always initial_suspend() noexcept { return {}; }
      auto final_suspend() noexcept {
        struct ToParent {
          bool await_ready() noexcept { return false; }
          void await_suspend(std::coroutine_handle<promise_type> ended) noexcept {
            Fibers::running_->leaf = ended.promise().parent;
          }
          void await_resume() noexcept {}
        };
        return ToParent();
      }
      void return_void() noexcept {}
      void unhandled_exception() { std::terminate(); }
    };

    explicit Steps(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
    Steps(Steps&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Steps& operator=(Steps&&) = delete;
    ~Steps() {
      if (handle_) handle_.destroy();
    }

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> parent) noexcept {
      handle_.promise().parent = parent;
      Fibers::running_->leaf = handle_;
    }
    void await_resume() const noexcept {}

    std::coroutine_handle<> handle() const noexcept { return handle_; }

   private:
    std::coroutine_handle<promise_type> handle_;
  };

  explicit Fibers(std::uint64_t seed) : random_(seed) {}

  void start(Steps steps) {
    fibers_.push_back(std::make_unique<Fiber>(std::move(steps)));
    fibers_.back()->leaf = fibers_.back()->steps.handle();
  }

  /// Another fiber may run here.
  static auto pause() { return Until(nullptr); }
  /// The fiber goes on when this holds. The condition outlives the wait.
  static auto until(const Condition& holds) { return Until(&holds); }

  /// Runs one step of a fiber that can run. False: none can.
  bool step() {
    ready_.clear();
    for (const auto& each : fibers_) {
      if (each->leaf && (each->waits_for == nullptr || (*each->waits_for)())) {
        ready_.push_back(each.get());
      }
    }
    if (ready_.empty()) return false;
    running_ = ready_[below(ready_.size())];
    running_->waits_for = nullptr;
    // A part that begins or ends goes on at once: that is no step.
    for (std::coroutine_handle<> last; running_->leaf && running_->leaf != last;) {
      last = running_->leaf;
      last.resume();
      if (std::exchange(paused_, false)) break;
    }
    return true;
  }

  std::size_t below(std::size_t bound) {
    return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random_);
  }
  bool chance(double probability) {
    return std::uniform_real_distribution<double>(0, 1)(random_) < probability;
  }

 private:
  struct Fiber {
    explicit Fiber(Steps what) : steps(std::move(what)) {}
    Steps steps;
    std::coroutine_handle<> leaf;
    const Condition* waits_for = nullptr;
  };

  struct Until {
    explicit Until(const Condition* condition) : holds(condition) {}
    const Condition* holds;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> leaf) const noexcept {
      running_->leaf = leaf;
      running_->waits_for = holds;
      paused_ = true;
    }
    void await_resume() const noexcept {}
  };

  static inline Fiber* running_ = nullptr;
  static inline bool paused_ = false;

  std::mt19937_64 random_;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> ready_;
};

}  // namespace dcache::net::test
