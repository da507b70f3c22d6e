// SPDX-License-Identifier: MIT
#include "net/reactor.hpp"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <utility>
#include <vector>

#include <poll.h>

#include "dcache/engine/fork.hpp"

#include "net/linux.hpp"

namespace dcache::net {

using engine::Ref;

namespace {

// The thread waits so long for something to drive before it goes back to its pool.
constexpr std::chrono::milliseconds idle_max{100};
// The pool keeps it so long.
constexpr std::chrono::seconds pool_idle{2};

}  // namespace

// poll(2) over what is driven now, which are few: no registration that has to follow sockets as
// they come and go, and none that a forked child shares.
class Reactor::Loop {
 public:
  bool wake(Client& client, engine::Executor& executor, const std::shared_ptr<Loop>& self);
  void run();
  void stop() noexcept;
  /// REQUIRES: `run` is not running.
  void let_go() noexcept;

 private:
  struct Entry {
    Ref<Client> client;
    Interest interest;
  };

  bool take_woken();
  void drive(Ref<Client> client, Ready ready);
  Entry* find(const Client& client);
  void look();

  Signal signal_;
  engine::Lock lock_;
  // Guarded by lock_.
  std::vector<Ref<Client>> woken_;
  bool running_ = false;
  bool asleep_ = false;  // To be signalled, or about to look into woken_.
  bool stopped_ = false;

  // The thread's own.
  std::vector<Entry> entries_;
  std::vector<pollfd> polled_;
  std::vector<Ref<Client>> taken_;
};

bool Reactor::Loop::wake(Client& client, engine::Executor& executor,
                         const std::shared_ptr<Loop>& self) {
  bool start = false;
  {
    const std::lock_guard held(lock_);
    if (stopped_) return false;
    if (!std::exchange(client.is_woken_, true)) woken_.emplace_back(&client);
    start = !std::exchange(running_, true);
    if (std::exchange(asleep_, false)) signal_.raise();
  }
  if (!start || executor.submit([self] { self->run(); })) return true;
  std::vector<Ref<Client>> dropped;
  const std::lock_guard held(lock_);
  running_ = false;
  for (const Ref<Client>& each : woken_) each->is_woken_ = false;
  dropped.swap(woken_);
  return false;
}

void Reactor::Loop::stop() noexcept {
  const std::lock_guard held(lock_);
  stopped_ = true;
  signal_.raise();
}

// False: there is nothing to do any more, and the thread ends.
bool Reactor::Loop::take_woken() {
  taken_.clear();
  const std::lock_guard held(lock_);
  if (stopped_) return false;
  asleep_ = false;
  taken_.swap(woken_);
  for (const Ref<Client>& each : taken_) each->is_woken_ = false;
  return true;
}

Reactor::Loop::Entry* Reactor::Loop::find(const Client& client) {
  for (Entry& each : entries_) {
    if (each.client.get() == &client) return &each;
  }
  return nullptr;
}

void Reactor::Loop::drive(Ref<Client> client, Ready ready) {
  const std::optional<Interest> interest = client->drive(ready);
  Entry* const entry = find(*client);
  if (interest && entry != nullptr) {
    entry->interest = *interest;
  } else if (interest) {
    entries_.push_back({std::move(client), *interest});
  } else if (entry != nullptr) {
    std::swap(*entry, entries_.back());
    entries_.pop_back();
  }
}

void Reactor::Loop::run() {
  for (Moment busy = std::chrono::steady_clock::now(); take_woken();) {
    for (Ref<Client>& each : taken_) drive(std::move(each), {});
    const Moment now = std::chrono::steady_clock::now();
    if (!entries_.empty()) {
      busy = now;
    } else {
      const std::lock_guard held(lock_);
      if (woken_.empty() && now >= busy + idle_max) {
        running_ = false;
        break;
      }
    }
    look();
  }
}

void Reactor::Loop::let_go() noexcept {
  taken_.clear();
  {
    const std::lock_guard held(lock_);
    taken_.swap(woken_);
  }
  for (const Ref<Client>& each : taken_) each->let_go();
  for (const Entry& each : entries_) each.client->let_go();
  entries_.clear();
}

// Sleeps until a socket is ready, a moment has come or somebody signals, and drives whom it
// concerns.
void Reactor::Loop::look() {
  Moment until = std::chrono::steady_clock::now() + idle_max;
  if (!entries_.empty()) until = Moment::max();
  polled_.assign(1, {.fd = signal_.descriptor(), .events = POLLIN, .revents = 0});
  for (const Entry& each : entries_) {
    polled_.push_back(
        {.fd = each.interest.descriptor,
         .events = static_cast<short>(each.interest.write ? POLLIN | POLLOUT : POLLIN),
         .revents = 0});
    until = std::min(until, each.interest.until);
  }
  {
    const std::lock_guard held(lock_);
    if (!woken_.empty() || stopped_) until = Moment::min();
    asleep_ = until != Moment::min();
  }
  Moment now = std::chrono::steady_clock::now();
  const bool polled = ::poll(polled_.data(), polled_.size(), poll_timeout(until, now)) >= 0;
  if (polled && polled_[0].revents != 0) signal_.clear();
  now = std::chrono::steady_clock::now();
  // From the back: who is not driven any more is replaced by the last one, which has been seen.
  for (std::size_t i = entries_.size(); i-- > 0;) {
    const short events = polled ? polled_[i + 1].revents : short{0};
    if (events == 0 && entries_[i].interest.until > now) continue;
    drive(entries_[i].client, polled ? ready_from(events) : Ready{});
  }
}

Reactor::Reactor(const std::string& name)
    : executor_({.threads_max = 1, .queue_max = 1, .idle = pool_idle, .name = name}) {}

Reactor::~Reactor() {
  stop(engine::Executor::close_timeout);
  if (generation_ == engine::fork_generation()) delete loop_;
}

std::shared_ptr<Reactor::Loop> Reactor::loop() {
  {
    const std::lock_guard held(lock_);
    if (generation_ == engine::fork_generation()) return *loop_;
  }
  auto fresh = std::make_unique<std::shared_ptr<Loop>>(std::make_shared<Loop>());
  const std::lock_guard held(lock_);
  if (generation_ != engine::fork_generation()) {
    loop_ = fresh.release();
    generation_ = engine::fork_generation();
  }
  return *loop_;
}

bool Reactor::wake(Client& client) noexcept {
  try {
    const std::shared_ptr<Loop> running = loop();
    return running->wake(client, executor_, running);
  } catch (...) {
    return false;
  }
}

void Reactor::stop(nanoseconds timeout) noexcept {
  std::shared_ptr<Loop> running;
  {
    const std::lock_guard held(lock_);
    if (generation_ == engine::fork_generation()) running = *loop_;
  }
  if (running) running->stop();
  if (executor_.close(timeout) && running) running->let_go();
}

namespace {

struct Threads {
  Reactor small{"dcache-io"};
  Reactor bulk{"dcache-io-bulk"};
};

constinit std::atomic<Threads*> threads{nullptr};

void stop_at_exit() {
  constexpr auto patience_at_exit = std::chrono::milliseconds(100);
  Threads* const both = threads.load(std::memory_order_acquire);
  both->small.stop(patience_at_exit);
  both->bulk.stop(patience_at_exit);
}

// No static local, as `engine::background`.
Threads& both_threads() {
  if (Threads* const there = threads.load(std::memory_order_acquire)) return *there;
  auto fresh = std::make_unique<Threads>();
  Threads* first = nullptr;
  if (!threads.compare_exchange_strong(first, fresh.get(), std::memory_order_acq_rel)) {
    return *first;
  }
  std::atexit(stop_at_exit);
  return *fresh.release();
}

}  // namespace

Reactor& io_thread() { return both_threads().small; }
Reactor& bulk_io_thread() { return both_threads().bulk; }

}  // namespace dcache::net
