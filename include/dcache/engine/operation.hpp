// SPDX-License-Identifier: MIT
/// An operation on a store: an object that completes once.
///
/// Who asks makes an `Op`, hands it to `Backend::submit` and waits in a way of his own: a thread
/// blocks, an event loop is told by a `Completion`. A backend completes it at once, if it is a
/// disk, or later, from a thread of its own, and never learns who waits, or how.
///
/// Where a store is reached by a connection, a thread that waits may move the operation along
/// itself
/// (`Carrier`). A backend may leave it to whoever asked for as long as `attended` says that
/// somebody is going to wait.
///
/// Threads: what a backend writes (`items`) before `complete` is seen by whoever sees it completed.
/// An operation whose time is up is abandoned: its items are the backend's until it lets go of
/// them.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dcache/engine/drivable.hpp"
#include "dcache/engine/record.hpp"
#include "dcache/engine/ref.hpp"

namespace dcache::engine {

using SteadyMoment = std::chrono::steady_clock::time_point;

/// What is asked of a store, for each item of the operation.
enum class Verb : std::uint8_t {
  get,    ///< `found` with the value, or `missing`.
  put,    ///< Stores, whatever is there: `done`. Where there are leases, those of the key are dead.
  erase,  ///< `done`, or `missing`: nothing was there. Kills leases of the key, too.
  add,    ///< Stores if nothing is there: `done`; else `found` with the value that is.
  // Where there are leases.
  lease,    ///< `done` with a token: the caller computes; or `busy`, with one as of `watch`:
            ///< another backend object does. Where the item `looks`, maybe `found`.
  watch,    ///< `done` with a token, without a lease.
  fill,     ///< Stores if the token is alive: `done`, else `refused`. Ends its lease.
  release,  ///< Ends the lease of the token without storing: `done`.
  // Where changes are told (`Capabilities::wakes`).
  await,  ///< `done` when nobody has the key's lease, or its value has changed; maybe earlier.
};

/// What the store said about one item.
enum class Reply : std::uint8_t { none, found, missing, done, busy, refused, failed };

struct Item {
  std::string key;    ///< Printable ASCII without blanks, 1 to 250 characters.
  std::string value;  ///< Of put, add and fill; filled by get, add and lease.
  /// When the store may drop it; `no_end`: never. Of put, add and fill.
  WallTime expires = no_end;
  std::uint64_t token = 0;  ///< Of lease and watch; for fill and release.
  bool kills = false;       ///< Of fill: other tokens of the key are dead then, as after put.
  /// Of lease: `found` with what is there, and no lease, if it `is_news` to who has seen `value`.
  bool looks = false;
  Reply reply = Reply::none;
};

/// Whether what is there may be of use to somebody who asks for a lease: an empty value is nothing,
/// and what ends with `seen` he has had before and could not use (empty: he has seen nothing).
inline bool is_news(std::string_view there, std::string_view seen) noexcept {
  return !there.empty() && (seen.empty() || !there.ends_with(seen));
}

/// Told once that an operation has completed, on the thread that completes it and with no lock
/// held. Has to be short. It is the owner's again from then on.
class Completion {
 public:
  virtual void completed() noexcept = 0;

 protected:
  Completion() = default;
  Completion(const Completion&) = default;
  Completion& operator=(const Completion&) = default;
  ~Completion() = default;
};

/// What an operation waits for on its way to the store and back, as whoever waits can help it.
class Carrier {
 public:
  /// On the thread that waits: moves it along until it has completed, `until` has come, or there is
  /// nothing to help with.
  virtual void carry(SteadyMoment until) noexcept = 0;
  /// Nobody comes to carry it (any more).
  virtual void left_alone() noexcept = 0;
  /// It was abandoned.
  virtual void given_up() noexcept = 0;
  /// The connection that its loop (`Op::loop`) has to drive; null: none.
  virtual Drivable* drivable() noexcept { return nullptr; }

 protected:
  Carrier() = default;
  Carrier(const Carrier&) = default;
  Carrier& operator=(const Carrier&) = default;
  ~Carrier() = default;
};

/// While it lives, operations that this thread submits are waited for by an event loop, which may
/// drive their connections.
class [[nodiscard]] OnLoop {
 public:
  /// `loop` tells it from others; null: none.
  explicit OnLoop(const void* loop) noexcept : before_(std::exchange(current_, loop)) {}
  OnLoop(const OnLoop&) = delete;
  OnLoop& operator=(const OnLoop&) = delete;
  ~OnLoop() { current_ = before_; }

 private:
  friend class Op;

  static thread_local constinit const void* current_;

  const void* const before_;
};

class Op final : public Counted {
 public:
  Op(Verb verb, std::vector<Item> questions, SteadyMoment deadline)
      : items(std::move(questions)), verb_(verb), deadline_(deadline) {}

  Verb verb() const noexcept { return verb_; }
  SteadyMoment deadline() const noexcept { return deadline_; }

  /// All for one verb. Owned by the backend from `submit` to `complete`.
  std::vector<Item> items;

  // --- For backends ---

  /// The items have their replies. Exactly once.
  void complete() noexcept;
  /// Nothing of it can be told to have happened: all items are `failed`. `why`: for people, without
  /// secrets. `reachable`: the store is there and said no, which is no reason to leave it alone.
  void fail(std::string why, bool reachable = false) noexcept;
  /// The same for what can never work: a call throws a ConfigError that says so.
  void refuse(std::string why) noexcept;
  /// Before `submit` has returned. `alive` keeps the carrier for as long as the operation lives: it
  /// lets go of the operation when that has completed.
  void carried_by(Carrier& carrier, Ref<Counted> alive) noexcept {
    carrier_ = &carrier;
    carrier_alive_ = std::move(alive);
  }
  /// Whoever asked is going to wait for it, to listen or to abandon it.
  bool attended() const noexcept { return attended_; }
  /// The event loop that is going to, and that may drive; or null.
  const void* loop() const noexcept { return loop_; }
  /// Nobody waits any more: what has not begun need not be.
  bool abandoned() const noexcept { return state_.load(std::memory_order_acquire) == dropped; }

  // --- For who waits ---

  /// Before it is submitted.
  void attend() noexcept {
    attended_ = true;
    loop_ = OnLoop::current_;
  }
  /// What its loop has to drive, once it is submitted; null: nothing.
  Drivable* drivable() const noexcept {
    return carrier_ == nullptr ? nullptr : carrier_->drivable();
  }
  /// It is part of a joint operation, and not the first part: that one tells how the store is.
  void follow() noexcept { follows_ = true; }
  bool follows() const noexcept { return follows_; }
  bool completed() const noexcept { return state_.load(std::memory_order_acquire) == finished; }
  /// Why it failed; empty if it did not. REQUIRES: completed.
  const std::string& trouble() const noexcept { return trouble_; }
  bool refused() const noexcept { return refused_; }
  bool reachable() const noexcept { return reachable_; }
  /// False: it has completed already, and nobody is told.
  bool listen(Completion& completion) noexcept;
  /// Gives it up. False: it has completed, or is completing at this moment; who listened is told.
  /// `when_late`: called if it completes after all, on the thread that completes it.
  bool abandon(std::function<void(Op&)> when_late = nullptr);
  /// Blocks until it has completed, or `moment` has come; it is not abandoned. True: completed.
  bool wait_until(SteadyMoment moment);
  /// Blocks until it has completed, or its deadline has passed, and abandons it then.
  bool wait(std::function<void(Op&)> when_late = nullptr);

 private:
  bool begin_listening(Completion& completion) noexcept;

  enum State : std::uint8_t { pending, listened, finished, dropped, dropping };

  const Verb verb_;
  const SteadyMoment deadline_;
  std::atomic<std::uint8_t> state_{pending};
  Completion* listener_ = nullptr;  // Written before `listened`.
  std::function<void(Op&)> when_late_;
  Carrier* carrier_ = nullptr;
  Ref<Counted> carrier_alive_;
  const void* loop_ = nullptr;
  bool attended_ = false;
  bool follows_ = false;
  std::string trouble_;
  bool refused_ = false;
  bool reachable_ = true;
};

/// An operation on one key.
inline Ref<Op> make_op(Verb verb, std::string_view key, SteadyMoment deadline) {
  std::vector<Item> items(1);
  items.front().key = key;
  return make_ref<Op>(verb, std::move(items), deadline);
}

}  // namespace dcache::engine
