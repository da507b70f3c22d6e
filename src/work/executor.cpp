// SPDX-License-Identifier: MIT
#include "dcache/engine/executor.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include <pthread.h>

#include "dcache/engine/fork.hpp"
#include "dcache/error.hpp"

namespace dcache::engine {

using std::chrono::nanoseconds;

namespace {

// What a time is clipped to before it is added to a clock.
constexpr nanoseconds longest = std::chrono::hours(24 * 365);

}  // namespace

// What the threads share; it lives as long as the last of them. Locks of the standard library will
// do: a forked child never touches the pool of its parent.
class Executor::Pool : public std::enable_shared_from_this<Pool> {
 public:
  explicit Pool(const ExecutorOptions& options) : options_(options) {}

  bool submit(Task& task);
  bool close(nanoseconds timeout);
  std::uint64_t failures() const noexcept { return failures_.load(std::memory_order_relaxed); }
  std::size_t threads() const;

 private:
  bool start_thread() noexcept;
  void work();
  bool next(Task& task);
  void run(Task& task) noexcept;

  // The pool whose task runs on this thread.
  static thread_local constinit const Pool* working_for_;

  const ExecutorOptions options_;
  const std::uint32_t generation_ = fork_generation();
  std::atomic<std::uint64_t> failures_{0};

  mutable std::mutex mutex_;
  std::condition_variable work_;   // Something was queued, or the pool was closed.
  std::condition_variable ended_;  // A thread ended.
  // Guarded by mutex_.
  std::deque<Task> queue_;
  std::size_t threads_ = 0;
  std::size_t idle_ = 0;  // Threads that wait for work, each able to take one task.
  bool closed_ = false;
};

thread_local constinit const Executor::Pool* Executor::Pool::working_for_ = nullptr;

bool Executor::Pool::submit(Task& task) {
  const std::scoped_lock held(mutex_);
  if (closed_ || queue_.size() >= options_.queue_max) return false;
  queue_.emplace_back();  // May throw, while the task is still the caller's to destroy.
  if (queue_.size() > idle_ && threads_ < options_.threads_max && !start_thread() &&
      threads_ == 0) {
    queue_.pop_back();
    return false;
  }
  queue_.back().swap(task);
  work_.notify_one();
  return true;
}

// Called under the mutex.
bool Executor::Pool::start_thread() noexcept {
  try {
    std::thread([self = shared_from_this()] { self->work(); }).detach();
    ++threads_;
    return true;
  } catch (...) {  // No more threads in this system: those that there are have to do.
    return false;
  }
}

void Executor::Pool::work() {
  pthread_setname_np(pthread_self(), options_.name.substr(0, 15).c_str());
  working_for_ = this;
  for (Task task; next(task);) {
    run(task);
    // The task has forked and this is the child: nothing of this pool may be touched any more.
    if (generation_ != fork_generation()) return;
  }
}

// False: the thread ends. It is counted out here, so that a task which is submitted from now on
// finds a thread missing and starts one.
bool Executor::Pool::next(Task& task) {
  std::unique_lock held(mutex_);
  ++idle_;
  work_.wait_for(held, options_.idle, [this] { return closed_ || !queue_.empty(); });
  --idle_;
  if (closed_ || queue_.empty()) {
    --threads_;
    ended_.notify_all();
    return false;
  }
  task.swap(queue_.front());
  queue_.pop_front();
  return true;
}

void Executor::Pool::run(Task& task) noexcept {
  try {
    task();
  } catch (...) {
    failures_.fetch_add(1, std::memory_order_relaxed);
  }
  task = nullptr;  // Here, not under the mutex: it may run destructors of the user's.
}

bool Executor::Pool::close(nanoseconds timeout) {
  std::deque<Task> dropped;
  {
    const std::scoped_lock held(mutex_);
    closed_ = true;
    dropped.swap(queue_);
    work_.notify_all();
  }
  // Before the wait: what runs may be waiting for what was dropped.
  dropped.clear();
  const std::size_t mine = working_for_ == this ? 1 : 0;
  std::unique_lock held(mutex_);
  return ended_.wait_for(held, std::min(timeout, longest), [&] { return threads_ <= mine; });
}

std::size_t Executor::Pool::threads() const {
  const std::scoped_lock held(mutex_);
  return threads_;
}

Executor::Executor(ExecutorOptions options) : options_(std::move(options)) {
  if (options_.threads_max == 0) throw ConfigError("an executor needs threads_max of at least 1");
  if (options_.queue_max == 0) throw ConfigError("an executor needs queue_max of at least 1");
  if (options_.idle < nanoseconds::zero()) {
    throw ConfigError("an executor needs idle of at least 0, the time a thread waits for work");
  }
  options_.idle = std::min(options_.idle, longest);
}

Executor::~Executor() {
  close(close_timeout);
  if (generation_ == fork_generation()) delete pool_;
}

// The pool of this process, or null.
std::shared_ptr<Executor::Pool> Executor::pool() const noexcept {
  const std::scoped_lock held(lock_);
  return generation_ == fork_generation() ? *pool_ : nullptr;
}

std::shared_ptr<Executor::Pool> Executor::pool_or_new() {
  if (auto there = pool()) return there;
  auto fresh = std::make_unique<std::shared_ptr<Pool>>(std::make_shared<Pool>(options_));
  const std::scoped_lock held(lock_);
  if (generation_ != fork_generation()) {
    pool_ = fresh.release();
    generation_ = fork_generation();
  }
  return *pool_;
}

bool Executor::submit(Task task) noexcept {
  try {
    if (closed_.load(std::memory_order_acquire)) return false;
    const auto pool = pool_or_new();
    // Closed in between: the pool may be one that `close` did not see.
    if (closed_.load(std::memory_order_acquire)) return false;
    return pool->submit(task);
  } catch (...) {
    return false;
  }
}

bool Executor::close(nanoseconds timeout) noexcept {
  closed_.store(true, std::memory_order_release);
  const auto there = pool();
  return !there || there->close(timeout);
}

std::uint64_t Executor::failures() const noexcept {
  const auto there = pool();
  return there ? there->failures() : 0;
}

std::size_t Executor::threads() const noexcept {
  const auto there = pool();
  return there ? there->threads() : 0;
}

namespace {

constinit std::atomic<Executor*> background_pool{nullptr};

void close_at_exit() {
  constexpr auto patience_at_exit = std::chrono::milliseconds(100);
  background_pool.load(std::memory_order_acquire)->close(patience_at_exit);
}

}  // namespace

// No static local: a child that was forked while another thread was in its guard would wait for
// that thread for ever.
Executor& background() {
  if (Executor* const there = background_pool.load(std::memory_order_acquire)) return *there;
  auto fresh = std::make_unique<Executor>(ExecutorOptions{.name = "dcache-back"});
  Executor* first = nullptr;
  if (!background_pool.compare_exchange_strong(first, fresh.get(), std::memory_order_acq_rel)) {
    return *first;
  }
  std::atexit(close_at_exit);
  return *fresh.release();
}

}  // namespace dcache::engine
