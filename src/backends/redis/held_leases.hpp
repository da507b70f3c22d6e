// SPDX-License-Identifier: MIT
/// The leases that one backend object has at this moment, to renew and to give back.
///
/// Who has a lease may have it more than once: in a process it is for flights to say who computes.
/// It ends with the last of them. A forked child has none, and is another holder.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dcache/engine/lock.hpp"
#include "dcache/engine/operation.hpp"

#include "base/per_process.hpp"

namespace dcache::redis {

using engine::SteadyMoment;

/// 16 hexadecimal digits.
std::string token_text(std::uint64_t token);
/// 0: it is none.
std::uint64_t token_of(std::string_view text) noexcept;
/// One that nobody has; never 0. Throws where the machine gives no random numbers.
std::uint64_t new_token();

/// Thread-safe.
class HeldLeases {
 public:
  explicit HeldLeases(std::chrono::nanoseconds lasts) noexcept : lasts_(lasts) {}

  /// Of this object in this process, as the store writes it.
  std::string holder();
  /// What the store has for a lease of ours: holder and token.
  std::string lease_text(std::uint64_t token);

  void add(std::string_view key, std::uint64_t token, SteadyMoment now);
  /// True: it was the last of that lease, or there was none; the store has to be told.
  bool drop(std::string_view key, std::uint64_t token);
  /// The store says that it has ended.
  void forget(std::string_view key, std::uint64_t token);

  struct Due {
    std::string key;
    std::uint64_t token = 0;
  };
  /// Those that have to be renewed now: a third of their time has passed.
  std::vector<Due> due(SteadyMoment now);
  bool empty();
  void clear();

 private:
  struct Held {
    unsigned times = 0;
    SteadyMoment renew_at;
    SteadyMoment give_up_at;  // Nobody computes for longer than this: it is lost.
  };
  using Key = std::pair<std::string, std::uint64_t>;

  struct State {
    std::string holder = token_text(new_token());
    std::map<Key, Held> held;
  };

  const std::chrono::nanoseconds lasts_;
  engine::Lock lock_;
  engine::PerProcess<State> state_;  // Guarded by lock_.
};

}  // namespace dcache::redis
