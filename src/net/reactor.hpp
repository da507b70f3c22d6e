// SPDX-License-Identifier: MIT
/// An I/O thread: drives connections that nobody else drives, many at once.
///
/// It exists while there are such; `work` makes it. Threads: any, for every method. Fork: a child
/// starts without it, and without what it drove.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "dcache/engine/executor.hpp"
#include "dcache/engine/lock.hpp"
#include "dcache/engine/ref.hpp"

#include "net/socket.hpp"

namespace dcache::net {

class Reactor {
 public:
  class Client : public engine::Counted {
   public:
    /// Goes as far as it can without blocking. None: it is not to be driven any more. It may be
    /// called for nothing. On the I/O thread.
    virtual std::optional<Interest> drive(Ready ready) noexcept = 0;

    /// There is no I/O thread any more: somebody else has to drive, or nobody.
    virtual void let_go() noexcept = 0;

   protected:
    ~Client() override = default;

   private:
    friend class Reactor;
    bool is_woken_ = false;  // Guarded by the reactor's lock: it is in the list already.
  };

  /// `name`: of the thread, as a debugger shows it.
  explicit Reactor(const std::string& name);
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;
  /// REQUIRES: what it drives is closed.
  ~Reactor();

  /// The client is driven, or looked at once more, soon. False: no thread could be had.
  bool wake(Client& client) noexcept;
  /// The thread ends, waited for at most `timeout`, and what it drove is let go of. For good.
  void stop(nanoseconds timeout) noexcept;
  /// Threads that exist now: 0 or 1.
  std::size_t threads() const noexcept { return executor_.threads(); }

 private:
  class Loop;

  std::shared_ptr<Loop> loop();

  engine::Executor executor_;
  engine::Lock lock_;
  // Guarded by lock_. The loop of another generation is a parent's: never touched, never destroyed.
  std::uint32_t generation_ = 0;
  std::shared_ptr<Loop>* loop_ = nullptr;
};

/// Those of this process, never destroyed; at exit they end within 100 ms.
Reactor& io_thread();
Reactor& bulk_io_thread();

}  // namespace dcache::net
