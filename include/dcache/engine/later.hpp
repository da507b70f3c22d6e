// SPDX-License-Identifier: MIT
/// A call to be awaited by a coroutine, which goes on on an executor.
#pragma once

#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>

#include "dcache/engine/executor.hpp"

namespace dcache::engine {

/// Of one call. To be awaited once; owns the arguments.
///
/// What is fresh in the near tier is given at once, without suspending. Else the call runs on the
/// executor, far tiers, waiting for others and body included, and the coroutine goes on on that
/// thread. Where the executor refuses it, it runs on the caller's.
template <class Memo>
class Later {
 public:
  Later(std::shared_ptr<Memo> memo, Executor& executor, typename Memo::Key arguments)
      : memo_(std::move(memo)), executor_(executor), arguments_(std::move(arguments)) {}
  Later(const Later&) = delete;
  Later& operator=(const Later&) = delete;

  bool await_ready() {
    if (!memo_->is_fresh(view())) return false;
    run();
    return true;
  }
  bool await_suspend(std::coroutine_handle<> waiting) {
    // This lies in the frame of the coroutine, which stays as it is until it is resumed.
    const bool submitted = executor_.submit([this, waiting] {
      run();
      waiting.resume();
    });
    if (!submitted) run();
    return submitted;
  }
  /// Throws what the call threw.
  typename Memo::Given await_resume() {
    if (error_ != nullptr) std::rethrow_exception(error_);
    return std::move(*result_);
  }

 private:
  typename Memo::View view() const { return Memo::view_of(arguments_); }
  void run() noexcept {
    try {
      result_.emplace(memo_->call(view()));
    } catch (...) {
      error_ = std::current_exception();
    }
  }

  const std::shared_ptr<Memo> memo_;
  Executor& executor_;
  const typename Memo::Key arguments_;
  std::optional<typename Memo::Given> result_;
  std::exception_ptr error_;
};

}  // namespace dcache::engine
