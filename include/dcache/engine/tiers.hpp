// SPDX-License-Identifier: MIT
/// Far tiers, nearest first, as those see them who cache functions: one look-up, one store, one
/// invalidation over all of them.
///
///   FarCall call(function, key);
///   run(call.look({.accept = decode}));         // Found: done. Else compute, and
///   run(call.store({.codec = "cbor", .payload = bytes, .times = times}));
///
/// A tier that is down, slow, full or corrupt is a miss and a counter. Explicit writes and
/// invalidations throw what they did not reach.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dcache/clock.hpp"
#include "dcache/engine/backend.hpp"
#include "dcache/engine/far_key.hpp"
#include "dcache/engine/record.hpp"
#include "dcache/engine/walk.hpp"

namespace dcache::engine {

struct TierOptions {
  std::shared_ptr<Backend> backend;
  /// The most that a result is fresh in this tier, > 0.
  std::optional<Duration> ttl = std::nullopt;
  bool reads = true;
  bool writes = true;
  /// What a call may wait for it in all, > 0. Nothing: what the backend says.
  std::optional<Duration> budget = std::nullopt;
};

struct ChainOptions {
  /// Signs records, and refuses others; at least 16 bytes. Empty: a checksum.
  std::string secret;
  /// How long a far tier keeps a result that has no `ttl`, > 0.
  Duration retain = std::chrono::hours(24 * 30);
  /// For how long a tier may serve what others may have changed in a farther one, > 0. Nothing:
  /// what the backend of that one says.
  std::optional<Duration> near_ttl = std::nullopt;
  /// For how long a mark that was read counts, >= 0. Nothing: what the backend says.
  std::optional<Duration> mark_ttl = std::nullopt;
  /// Payloads from this size on are compressed; 0: none is.
  std::size_t compress_from = 4096;
  /// Told that a tier fails, and why, at most every ten seconds for each tier. Any thread.
  std::function<void(const std::string& tier, const std::string& why)> on_trouble;
  /// Null: the machine's. Outlives the chain.
  const Clock* clock = nullptr;
};

/// What one tier counted. Each number is exact; together they are of slightly different moments.
struct TierStats {
  std::string name;
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;  ///< Dead and faulty records, and failures, included.
  std::uint64_t dead = 0;    ///< Records with another mark: from before a clear.
  std::uint64_t stores = 0;
  std::uint64_t refused_stores = 0;  ///< An invalidation elsewhere had come first.
  std::uint64_t failures = 0;
  std::uint64_t timeouts = 0;  ///< Among the failures.
  std::uint64_t skipped = 0;   ///< Not asked, because its breaker was open.
  std::array<std::uint64_t, record_faults> faults{};
  const char* breaker = "closed";  ///< "open", "half-open".
};

class Tier;
class FarCall;
class FarBatch;

/// Tiers that belong together. Thread-safe.
class Chain {
 public:
  /// Throws ConfigError for no tier, and options that can never work.
  Chain(std::vector<TierOptions> tiers, ChainOptions options);
  Chain(const Chain&) = delete;
  Chain& operator=(const Chain&) = delete;
  ~Chain();

  std::size_t size() const noexcept { return tiers_.size(); }
  std::vector<TierStats> stats() const;
  /// For how long memory may serve what others may have changed in its tiers: the least of what
  /// each says. Nothing: no other process writes to one.
  std::optional<Duration> near_ttl() const noexcept;
  /// Connects to all, and throws what is wrong with the first that cannot be used.
  void check() const;
  void close() noexcept;
  /// The chain's own wall clock.
  WallTime now() const noexcept;

 private:
  friend class FarCall;
  friend class FarFunction;
  class Gate;

  // `now`, or the moment of a clock that somebody else moves.
  SteadyMoment moment(SteadyMoment now) const noexcept;

  std::vector<std::unique_ptr<Tier>> tiers_;
  const ChainOptions options_;
  std::unique_ptr<Signer> signer_;
  std::unique_ptr<Gate> gate_;
};

/// A function as its far tiers know it. Thread-safe.
class FarFunction {
 public:
  /// `secret`: signs its records in place of the chain's. Throws ConfigError for a namespace that
  /// no store would take, and for a secret that is too short.
  FarFunction(std::shared_ptr<Chain> chain, std::string_view space, std::string_view name,
              std::string_view version, std::string_view secret = {});
  ~FarFunction();

  Chain& chain() const noexcept { return *chain_; }
  /// `arguments`: their canonical bytes, as an array. `program`: canonical bytes of what tells the
  /// main program apart, where the arguments name something in it.
  FarKey key(std::string_view arguments, std::string_view program = {}) const;
  /// The text of that key alone, `key_size()` characters; of a call without a `program`.
  void write_key(std::string_view arguments, char* to) const;
  std::size_t key_size() const noexcept { return prefix_.size() + digest_text; }
  /// All results that were stored before are dead, in every process, once it knows: within
  /// `mark_ttl`. Throws InvalidationError if a tier was not reached.
  Walk clear();

 private:
  friend class FarCall;
  struct Marked;

  const std::shared_ptr<Chain> chain_;
  const std::string prefix_;
  const std::string canonical_;
  const std::string mark_key_;
  const std::unique_ptr<Marked[]> marks_;  // One a tier.
  const std::unique_ptr<Signer> own_signer_;
  const Signer* const signer_;  // Null: checksums.
};

/// How a tier answered, for `explain`.
struct TierSaid {
  std::string tier;
  std::string said;
  std::chrono::nanoseconds took{0};
};

/// One call's way through the far tiers. For one driver at a time; outlives its walks.
class FarCall {
 public:
  FarCall(std::shared_ptr<FarFunction> function, FarKey key);
  FarCall(const FarCall&) = delete;
  FarCall& operator=(const FarCall&) = delete;
  /// Gives a lease that it still has back, without waiting for that.
  ~FarCall();

  struct Look {
    /// Takes the value of a record that can be used `now`: `none`, or why it is not one. A stale
    /// one is offered, too, and the search goes on. Null only if nothing is read.
    std::function<RecordFault(const Record& record, WallTime now)> accept = nullptr;
    /// False: nothing is read, but the result of computing will be stored.
    bool reads = true;
    /// The result of computing will be stored, and nearer tiers are filled with what is found.
    bool writes = true;
    /// What will be stored has to be computed: an invalidation elsewhere beats it. False: it is
    /// there, and `put` stores it.
    bool computes = true;
    /// Who computes is agreed on with other processes, where the tiers can.
    bool leases = true;
    /// How long another process that computes it is waited for.
    Duration patience = std::chrono::seconds(30);
    /// Nothing is filled once this is set.
    const std::atomic<bool>* detached = nullptr;
    /// Fills `said()`.
    bool explains = false;
  };
  /// Asks each tier once. Throws ConfigError for a tier that can never work.
  Walk look(Look how);
  bool found() const noexcept { return found_; }
  /// No tier was there to ask.
  bool unreachable() const noexcept { return !answered_; }
  /// Another process computes it at this moment, and `patience` has passed.
  bool busy() const noexcept { return busy_; }
  /// A tier has what was given to `store` or `put`.
  bool stored() const noexcept { return stored_; }
  /// What was computed came too late: another process had invalidated it meanwhile.
  bool refused() const noexcept { return refused_; }
  const std::vector<TierSaid>& said() const noexcept { return said_; }

  struct Result {
    std::string codec;
    std::string payload;
    RecordTimes times;
    /// Where it cannot be stored, what is there has to go.
    bool replaces = false;
  };
  /// After `look`: stores what was computed, far to near, unless `*detached` is set or comes to be,
  /// or another process has invalidated it. Never fails.
  Walk store(Result result, const std::atomic<bool>* detached);
  /// Stores in any case. Throws TierError if a tier did not take it. REQUIRES: `look` that neither
  /// reads nor computes has ended.
  Walk put(Result result);
  /// Forgets, far to near. Throws InvalidationError if a tier was not reached.
  Walk erase();

 private:
  friend class FarBatch;

  // What this call knows of a tier.
  struct Seen {
    bool has_mark = false;
    bool has_lease = false;
    bool bad_mark = false;     // What stands in its place is none.
    bool missed = false;       // Once counted.
    Mark mark{};               // In force before anything was read or computed.
    std::uint64_t token = 0;   // From before the same; 0: none.
    std::string unusable;      // How the record ends that is there and cannot be used.
    Duration budget{0};        // That is left.
    SteadyMoment began;        // The operation that runs.
    SteadyMoment asked;        // For its mark, by the clock of the chain.
    std::uint32_t clears = 0;  // Of this process, when it was asked for its mark.
  };
  using Late = std::function<void(Op&)>;

  // The parts of `look`, which outlives them.
  Walk ask_tiers(const Look& how);
  Walk ask_who_computes(const Look& how, std::size_t at);
  Walk fill(std::size_t end, const std::atomic<bool>* detached);
  Walk await_writers();

  Tier& tier(std::size_t at) const noexcept;
  void look_at_clock() noexcept { now_ = std::chrono::steady_clock::now(); }
  bool writes(std::size_t at) const noexcept;
  bool adds_mark(std::size_t at) const noexcept;
  std::optional<std::size_t> leasing_tier() const noexcept;
  [[nodiscard]] Completed submitted(std::size_t at, const Ref<Op>& op, Late* late = nullptr);
  bool settle(std::size_t at, const Op& op);
  Ref<Op> ask(std::size_t at, Verb verb);
  Ref<Op> ask_questions(std::size_t at, bool reads);
  Ref<Op> ask_new_mark(std::size_t at, Verb verb);
  Ref<Op> ask_lease(std::size_t at, const Look& how);
  Ref<Op> write(std::size_t at, const Result& result, bool explicitly, Late& late);
  Late erase_again(std::size_t at) const;
  Duration ttl_of(std::size_t at) const;
  bool take_answers(std::size_t at, Op& op, const Look& how);
  void take_mark(std::size_t at, const Item& item);
  bool take_new_mark(std::size_t at, Op& op);
  void take_record(std::size_t at, const std::string& bytes, const Look& how);
  bool take_token(std::size_t at, const Op& op);
  bool take_lease(std::size_t at, const Op& op, const Look& how);
  bool take_stored(std::size_t at, const Op& op);
  void miss(std::size_t at, std::string_view why);
  void say(std::size_t at, std::string_view said);

  const std::shared_ptr<FarFunction> function_;
  const FarKey key_;
  const std::uint64_t hash_;  // Of the key, for the gate.
  std::vector<Seen> seen_;
  RecordReader reader_;
  Result copy_;  // Of the record that was found, or the result itself: what tiers are filled with.
  SteadyMoment now_;           // Of this step: a look at the clock takes as long as an allocation.
  FarBatch* batch_ = nullptr;  // Which it is part of, while it takes a step.
  std::size_t found_at_ = 0;
  bool found_ = false;
  bool answered_ = false;
  bool refused_ = false;
  bool stored_ = false;
  bool busy_ = false;
  bool explains_ = false;
  std::vector<TierSaid> said_;
};

}  // namespace dcache::engine
