// SPDX-License-Identifier: MIT
/// A small pool of threads for work in the background: bounded, lazy, never in anybody's way.
///
/// No thread exists until the first task is submitted, and threads end when there has been nothing
/// to do for a while. Any method may be called from any thread, from a running task too.
/// Fork: the child starts with no threads and an empty queue, and works; what was queued or running
/// is the parent's. A task's own trouble stays in the task: what it throws is swallowed and
/// counted.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "dcache/engine/lock.hpp"

namespace dcache::engine {

struct ExecutorOptions {
  /// At least 1.
  std::size_t threads_max = 4;
  /// Tasks that wait for a thread; at least 1. More are refused.
  std::size_t queue_max = 1024;
  /// A thread with nothing to do ends after this.
  std::chrono::nanoseconds idle = std::chrono::seconds(10);
  /// Of the threads, as a debugger shows it; 15 characters count.
  std::string name = "dcache";
};

class Executor {
 public:
  using Task = std::function<void()>;

  /// Throws ConfigError if an option is out of its bounds. Starts nothing.
  explicit Executor(ExecutorOptions options = {});
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;
  /// Closes, and waits at most `close_timeout` for what runs.
  ~Executor();

  static constexpr std::chrono::seconds close_timeout{5};

  /// Runs `task` soon on a thread of the pool. False: refused, because the queue is full, the pool
  /// is closed, or neither memory nor a thread could be had. Never blocks, never throws. A refused
  /// or dropped task is destroyed without having run.
  bool submit(Task task) noexcept;

  /// Refuses from now on (so does a child forked later), drops what is queued and waits at most
  /// `timeout` for what runs. True: nothing of it runs any more (the calling task excepted). Tasks
  /// that are abandoned here go on by themselves and may outlive the executor. May be called again.
  bool close(std::chrono::nanoseconds timeout) noexcept;

  /// Tasks that threw, in this process.
  std::uint64_t failures() const noexcept;
  /// Threads that exist now.
  std::size_t threads() const noexcept;

 private:
  class Pool;

  std::shared_ptr<Pool> pool() const noexcept;
  std::shared_ptr<Pool> pool_or_new();

  ExecutorOptions options_;
  mutable Lock lock_;
  // Guarded by lock_. The pool of another generation is a parent's: it is never read or destroyed.
  std::uint32_t generation_ = 0;  // No generation yet.
  std::shared_ptr<Pool>* pool_ = nullptr;
  std::atomic<bool> closed_{false};
};

/// The pool of this process, for refreshes and the like. Never destroyed; at exit its queue is
/// dropped and what runs is abandoned within 100 ms.
Executor& background();

}  // namespace dcache::engine
