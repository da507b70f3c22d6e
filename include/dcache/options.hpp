// SPDX-License-Identifier: MIT
/// The options of `memoize`: a default, a unit and a limit for every field.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include "dcache/clock.hpp"
#include "dcache/memory.hpp"

namespace dcache {

/// How long a result is fresh: always the same, or told by the result. Default: until it is evicted
/// or invalidated.
///
///   .ttl = 10min
///   .ttl = [](const Quote& quote) { return quote.closing - now(); }   // <= 0: do not keep
template <class Result>
class Ttl {
 public:
  Ttl() noexcept = default;

  /// The same for every result; > 0.
  template <class Rep, class Period>
  Ttl(std::chrono::duration<Rep, Period> ttl) : fixed_(ttl) {}  // NOLINT(*-explicit-*)

  /// By result. Zero or less: the result is not kept. What it throws goes to the caller.
  template <class Tell>
    requires std::convertible_to<std::invoke_result_t<const Tell&, const Result&>, Duration>
  Ttl(Tell tell) : tell_(std::move(tell)) {}  // NOLINT(*-explicit-*)

  explicit operator bool() const noexcept { return fixed_.has_value() || tell_ != nullptr; }

  /// Null if it depends on the result, or if there is none.
  const std::optional<Duration>& fixed() const noexcept { return fixed_; }
  /// REQUIRES: there is one.
  Duration of(const Result& result) const { return fixed_ ? *fixed_ : tell_(result); }

 private:
  std::optional<Duration> fixed_;
  std::function<Duration(const Result&)> tell_;
};

/// How a memoized function remembers. Times are exact to 10 ms with the machine's clock and to 1 ms
/// with one of your own.
template <class Result>
struct MemoizeOptions {
  /// The most results that are kept, > 0. `nullopt`: as many as memory holds, or as `max_weight`
  /// allows.
  std::optional<std::size_t> max_entries = 10'000;
  /// The most weight of all results, > 0. Needs a `weigher`.
  std::optional<std::uint64_t> max_weight = std::nullopt;
  /// What a result weighs: 0 to 2^32 - 1, in a unit of your own. One heavier than `max_weight` is
  /// not kept.
  std::function<std::uint64_t(const Result&)> weigher = nullptr;
  Policy policy = Policy::adaptive;

  /// How long a result is fresh, > 0.
  Ttl<Result> ttl = {};
  /// How long after that it may still be served while, or because, a new one cannot be had; >= 0.
  /// Needs a `ttl`.
  Duration stale_for{0};
  /// The fraction of `ttl` after which a hit also starts a refresh in the background, > 0 and < 1.
  /// Needs a `ttl`.
  std::optional<double> refresh_ahead = std::nullopt;
  /// How long a caller waits for a fresh result when a stale one is at hand, >= 0: the body runs in
  /// the background then. `nullopt`: stale results are for failures only. Needs `stale_for`.
  std::optional<Duration> wait = std::nullopt;
  /// The fraction of `ttl` that is taken away at random, >= 0 and < 1.
  double jitter = 0;

  /// Which results are kept; all if there is none. What it throws goes to the caller.
  std::function<bool(const Result&)> cache_if = nullptr;
  /// How long a caller waits for somebody else's computation before it computes, too; > 0. If the
  /// function takes longer, three times its measured time is waited.
  Duration flight_timeout = std::chrono::seconds(30);
  /// Called on the background thread instead of a refresh; has to call `run`, then or later, once,
  /// on any thread. It does not throw.
  std::function<void(const std::function<void()>& run)> on_background = nullptr;
  /// Told why a refresh in the background failed. The old result stays.
  std::function<void(std::exception_ptr)> on_refresh_error = nullptr;
  /// Outlives the function, and a refresh of it that still runs. Null: the machine's coarse clock.
  const Clock* clock = nullptr;
};

/// The counters of one memoized function.
struct MemoizeStats {
  std::uint64_t hits = 0;    ///< Calls answered without running the body, waiters included.
  std::uint64_t misses = 0;  ///< Bodies run by calls.
  std::uint64_t waited = 0;  ///< Calls answered by somebody else's computation.
  /// Calls answered with a stale result, except in the pause after a refresh was begun or failed:
  /// those are plain hits.
  std::uint64_t stale = 0;
  std::uint64_t refreshes = 0;         ///< Bodies run by `refresh` and in the background.
  std::uint64_t refresh_failures = 0;  ///< Those in the background that threw, or were refused.
  MemoryStats near;                    ///< The near tier's own.
};

}  // namespace dcache
