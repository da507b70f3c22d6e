// SPDX-License-Identifier: MIT
/// An operation in Redis's words: the commands that ask it, and what their replies say. Pure: it
/// knows no connection.
///
/// Each item is one command, and has one reply. A script that the server does not know is asked
/// again, with its text, in a second round of those items alone.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "dcache/engine/operation.hpp"

#include "backends/redis/held_leases.hpp"
#include "backends/redis/scripts.hpp"
#include "wire/resp.hpp"

namespace dcache::redis {

/// What one backend's exchanges have in common. Thread-safe.
struct Terms {
  Terms(std::string server, std::chrono::nanoseconds lease)
      : name(std::move(server)), lease_lasts(lease), leases(lease) {}

  const std::string name;  ///< For messages.
  const std::chrono::nanoseconds lease_lasts;
  HeldLeases leases;
};

/// Bytes to send, one after the other. A large value is not copied: `body` is where it lies.
struct Message {
  std::string head;
  std::string_view body;
  std::string tail;
};

class Exchange {
 public:
  Exchange(engine::Ref<engine::Op> op, Terms& terms) : op_(std::move(op)), terms_(terms) {}

  const engine::Op& op() const noexcept { return *op_; }
  /// Whether the round may be written twice: what the store has done already it says again. A fill
  /// that kills would find its own token dead.
  bool repeatable() const noexcept;
  /// The commands of the round. Empty: nothing has to be asked, `finish` is next. It points into
  /// the operation.
  Message write();
  /// The next reply of the round. True: it was the last.
  bool take(resp::Reply& reply);
  /// After a round: true, another one has to be written.
  bool again() const noexcept { return !retry_.empty(); }

  /// Completes the operation with what the replies said. Null; or an operation that has to be
  /// asked because nobody waited for this one: it gives back a lease that nobody has.
  engine::Ref<engine::Op> finish();
  /// Fails the operation: there are no replies.
  void fail(std::string why, bool reachable);
  /// The same, but replies may still come: what they say is taken, and nobody is told but, by
  /// `finish`, the store. The operation that was written: its bytes may still be on their way.
  engine::Ref<engine::Op> give_up(std::string why);

 private:
  void drop_leases();
  void write_item(Message& out, engine::Item& item, bool with_text) const;
  void take_item(engine::Item& item, resp::Reply& reply);
  void take_token(engine::Item& item, std::string_view text);
  void take_lease(engine::Item& item, resp::Reply& reply);
  void take_error(engine::Item& item, std::string_view text);

  engine::Ref<engine::Op> op_;
  Terms& terms_;
  std::size_t item_of(std::size_t command) const noexcept {
    return asks_all_ ? command : asked_[command];
  }

  bool asks_all_ = true;            // Every item, in their order. Else:
  std::vector<std::size_t> asked_;  // Items of this round, in the order of their commands.
  std::size_t count_ = 0;           // Of commands.
  std::size_t taken_ = 0;
  std::vector<std::size_t> retry_;  // Items whose script the server did not know.
  bool second_round_ = false;
  std::string trouble_;  // The first error; empty: none.
  bool reachable_ = true;
};

/// The renewal of leases: one command each, of which each has one reply, `terms.leases.forget` for
/// those that are 0. With the script's text: they are so few that a second round would cost more.
std::string renewal(const std::vector<HeldLeases::Due>& due, Terms& terms);

/// A sentence about an error reply, without what a client had sent.
std::string trouble_of(std::string_view error);

}  // namespace dcache::redis
