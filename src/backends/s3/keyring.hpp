// SPDX-License-Identifier: MIT
/// The credentials at hand: found when they are first needed, and anew before they end.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dcache/engine/lock.hpp"
#include "dcache/engine/operation.hpp"

#include "backends/s3/credentials.hpp"
#include "base/per_process.hpp"

namespace dcache::s3 {

/// Thread-safe. One search at a time, in the background; old credentials are used until they end.
/// A forked child searches for its own.
class Keyring : public std::enable_shared_from_this<Keyring> {
 public:
  /// Blocks. Throws ConfigError for what can never work, else TierError.
  using Find = std::function<Credentials()>;

  struct Answer {
    std::shared_ptr<const Credentials> credentials;
    std::string trouble;  ///< If there are none.
    bool never = false;   ///< Nor will there be.
  };
  using Told = std::function<void(const Answer&)>;

  /// Anew from this long before they end.
  static constexpr std::chrono::minutes ahead{5};
  /// Between two searches, unless there is nothing to use and nothing failed: a tenth of the time
  /// that is left to what there is, within these bounds, for a search may be a process of its own.
  /// After one that failed, what it said is the answer for so long.
  static constexpr std::chrono::seconds pause{1}, pause_max{30};

  explicit Keyring(Find find) : find_(std::move(find)) {}

  /// Tells at once, on this thread, if there are any; else when the search has ended, on its
  /// thread.
  void ask(Told told);
  /// A server says that these have ended: they are not used again.
  void discard(const std::shared_ptr<const Credentials>& old);

 private:
  struct State {
    std::shared_ptr<const Credentials> current;
    std::vector<Told> waiting;
    Answer failure;  // Of the last search, if it failed.
    engine::SteadyMoment rests_until = engine::SteadyMoment::min();
    bool searches = false;
  };

  void search();
  void finish(const Answer& answer);

  const Find find_;
  engine::Lock lock_;
  engine::PerProcess<State> state_;  // Guarded by lock_.
};

}  // namespace dcache::s3
