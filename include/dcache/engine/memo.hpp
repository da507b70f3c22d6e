// SPDX-License-Identifier: MIT
/// What stands behind a memoized function: its near tier, its flights, its freshness.
///
/// The way of a call: look up (memory) and return; else `answer`: decide by freshness whether a
/// stale entry may be served, and compute through a flight, which asks the far tiers first, if
/// there are any (`memo_far_impl.hpp`). Thread-safe throughout.
#pragma once

#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "dcache/engine/coalesce.hpp"
#include "dcache/engine/executor.hpp"
#include "dcache/engine/far_side.hpp"
#include "dcache/engine/freshness.hpp"
#include "dcache/engine/hot.hpp"
#include "dcache/engine/mode.hpp"
#include "dcache/engine/signature.hpp"
#include "dcache/engine/stripes.hpp"
#include "dcache/memory.hpp"
#include "dcache/options.hpp"

namespace dcache::engine {

/// Throws ConfigError for options that can never work. What the near tier checks is left to it.
void check_freshness(std::optional<Duration> ttl, bool has_ttl, const Freshness& freshness,
                     std::optional<Duration> wait, Duration flight_timeout);

/// `Result`s of a function that takes `Parameters`.
template <class Result, class... Parameters>
class Memo : public std::enable_shared_from_this<Memo<Result, Parameters...>> {
 public:
  using Key = std::tuple<typename Argument<Parameters>::Stored...>;
  using View = std::tuple<typename Argument<Parameters>::View...>;
  /// Small plain results are kept as they are, others behind a pointer: a hit copies the pointer
  /// and the caller the result, outside of the table. (So are those that cannot be assigned, for
  /// a const member, say: what is kept is.)
  static constexpr bool kept_bare =
      plain_entry<std::uint64_t, Result, Hash<std::uint64_t>, Same<std::uint64_t>> &&
      std::is_move_assignable_v<Result>;
  using Kept = std::conditional_t<kept_bare, Result, std::shared_ptr<const Result>>;
  /// What callers get: a result of their own, or their share of one that cannot be copied.
  using Given =
      std::conditional_t<std::copy_constructible<Result>, Result, std::shared_ptr<const Result>>;
  using Near = Memory<Key, Kept>;
  using Hit = typename Near::Hit;
  using Options = MemoizeOptions<Result>;
  using Function = std::function<Result(Parameters...)>;

  using Far = FarSide<Result, View>;

  /// `binding`: what a `FarBinding` is made of; nothing: memory alone.
  template <class... Binding>
  Memo(std::string name, Function function, Options options, Binding&&... binding);

  const std::string& name() const noexcept { return name_; }

  static View view(std::add_lvalue_reference_t<const std::remove_reference_t<Parameters>>... a) {
    return View(Argument<Parameters>::view(a)...);
  }

  /// Looks at arguments that somebody owns.
  static View view_of(const Key& key) {
    return std::apply(
        [](const auto&... part) {
          return View(static_cast<typename Argument<Parameters>::View>(part)...);
        },
        key);
  }
  static Key own(const View& view) {
    return std::apply([](const auto&... part) { return Key(part...); }, view);
  }
  /// Whether a call would be a near hit now.
  bool is_fresh(const View& view) {
    if (mode_may_differ.load(std::memory_order_relaxed) && call_mode() != Mode::normal)
      return false;
    Hit hit;
    near_.find(view, Hash<Key>{}(view), hit, false);
    return hit && !hit.review();
  }

  DCACHE_HOT Given call(const View& view) {
    const std::uint64_t hash = Hash<Key>{}(view);
    if (mode_may_differ.load(std::memory_order_relaxed)) [[unlikely]]
      return call_in_mode(view, hash);
    typename Near::Hit hit;
    near_.find(view, hash, hit);
    if (hit && !hit.review()) [[likely]]
      return give(hit.value());
    return answer(view, hash, hit);
  }

  /// As many results, in the same order.
  std::vector<Given> map(const std::vector<Key>& calls);
  bool invalidate(const View& view);
  Given refresh(const View& view);
  std::optional<Given> peek(const View& view);
  bool put(Result result, const View& view);
  void clear();
  MemoizeStats stats() const noexcept;
  /// One for each far tier, nearest first.
  std::vector<TierStats> far_stats();
  /// What each tier says about this call, a line each. Computes nothing.
  std::string explain(const View& view);
  using Running = Flights<Key, Kept, Same<Key>>;
  Near& near() noexcept { return near_; }
  Running& flights() noexcept { return flights_; }

 private:
  enum Counter : std::uint8_t {
    bodies,
    waited,
    stale,
    refreshes,
    refresh_failures,
    unlooked,  // Calls that did not look into the near tier first.
    counters
  };

  static typename Near::Options near_options(const Options& options);
  static Kept keep(Result&& result) {
    if constexpr (kept_bare) {
      return result;
    } else {
      return std::make_shared<const Result>(std::move(result));
    }
  }
  static const Result& see(const Kept& kept) noexcept {
    if constexpr (kept_bare) {
      return kept;
    } else {
      return *kept;
    }
  }
  static Given give(const Kept& kept) {
    if constexpr (kept_bare || std::copy_constructible<Result>) {
      return see(kept);
    } else {
      return kept;
    }
  }

  [[gnu::noinline]] Given call_in_mode(const View& view, std::uint64_t hash);
  [[gnu::noinline]] Given answer(const View& view, std::uint64_t hash, Hit& hit);
  Given compute(const View& view, std::uint64_t hash, bool may_be_stale, Sight sight = Sight::all);
  Given serve_or_refresh(const View& view, std::uint64_t hash, Hit& hit, bool fresh);
  using Detached = const std::atomic<bool>*;
  using Side = typename FarBinding<Far>::Shared;
  // What was found out about a call in its flight, from looking to storing.
  struct Flown {
    explicit Flown(Side asked) : side(std::move(asked)) {}

    const Side side;  // Null: no far tier is asked.
    std::optional<FarCall> far;
    std::optional<Kept> stale;  // What a far tier had of it: served if computing fails.
    bool served_stale = false;
    bool replaces = false;  // Something may be there already.
    bool blind = false;     // Nobody wants what may be there.
    bool refresh_due = false;
    Detached detached = nullptr;
    std::chrono::nanoseconds cost{0};
  };

  /// Fresh. With `suspect` what others may have changed goes there instead.
  std::optional<Kept> find_fresh(const View& view, std::uint64_t hash,
                                 std::optional<Kept>* suspect = nullptr);
  std::optional<Kept> find_anywhere(const View& view, std::uint64_t hash, Flown& flown,
                                    const std::atomic<bool>& detached, Sight sight);
  std::optional<Kept> find_far(const View& view, std::uint64_t hash, Flown& flown,
                               const std::atomic<bool>& detached);
  /// The far tiers that a call asks now.
  Side side() { return far_mode().reads ? far_.of(name_) : nullptr; }
  FarCall& begin_far(const View& view, Flown& flown) const;
  /// What is found goes to `found`, and near; all three outlive the look.
  FarCall::Look look_for(const View& view, std::uint64_t hash, Flown& flown,
                         const std::atomic<bool>& detached, std::optional<Kept>& found);
  void prepare_far(const View& view, Flown& flown, FarCall::Look how) const;
  static RecordFault take(const Far& far, const Record& record, std::optional<Result>& result);
  FarCall::Result far_result(const Kept& kept, const Life& life, const Flown& flown) const;
  std::optional<Given> peek_far(Side side, const View& view, const std::optional<Kept>& suspect);
  void refresh_later(const View& view, std::uint64_t hash);
  std::optional<Kept> find_after_failure(const View& view, std::uint64_t hash);

  struct Led;
  void map_some(const Side& far, const std::vector<Key>& calls,
                std::vector<std::optional<Given>>& results, std::size_t begin, std::size_t end);
  void look_together(std::deque<Led>& led);
  class Idle;
  Given land(Led& led);

  /// Runs the body on arguments that somebody else owns.
  template <class Arguments>
  Kept run(const Arguments& arguments) {
    return std::apply(
        [this](const auto&... part) {
          return keep(function_(Argument<Parameters>::give(part)...));
        },
        arguments);
  }
  /// The recheck of a flight: looks in all tiers, as far as `sight` goes.
  auto looking(const View& view, std::uint64_t hash, Flown& flown, Sight sight);
  template <class MakeKey, class Recheck, class Arguments>
  auto flight_call(const View& view, std::uint64_t hash, MakeKey make_key, Recheck recheck,
                   const Arguments& arguments, Flown& flown);
  template <class Arguments>
  Kept run_or_stale(const Arguments& arguments, Flown& flown);
  void start_refresh(Leadership<Running> leadership, const View& view, std::uint64_t hash,
                     Moment pause_until);
  void refresh_in_background(Leadership<Running> leadership, std::uint64_t hash);

  /// Nothing: the result says that it is not to be kept.
  std::optional<Life> life_of(const Kept& kept) const;
  /// Keeps a result near, unless `*detached` is set. `far`: who has it, too, or null.
  bool store_near(const View& view, const Kept& kept, const Life& life, std::uint64_t hash,
                  Detached detached, const Far* far);
  /// Of what is not kept: what it was to take the place of goes as well.
  void forget_old(const View& view, std::uint64_t hash, Flown& flown, Detached detached);
  /// In all tiers.
  void store(const View& view, const Kept& kept, std::uint64_t hash, Flown& flown,
             const std::atomic<bool>& detached);
  /// A far verb, then a near one whatever it came to. True: there is a far tier.
  template <class FarVerb, class NearVerb>
  bool far_then_near(FarVerb&& far_verb, NearVerb&& near_verb);
  FlightLimits limits() const noexcept;
  void measured(std::chrono::nanoseconds cost) noexcept;

  const std::string name_;
  const Function function_;
  const Options options_;
  const Freshness freshness_;
  const Duration pause_;  // After a refresh that failed.
  FarBinding<Far> far_;
  const bool keeps_near_;
  Near near_;
  Running flights_;
  std::atomic<std::chrono::nanoseconds::rep> cost_{0};  // Of the body, a moving average.
  Stripes<counters> counts_;
};

}  // namespace dcache::engine

#include "dcache/engine/memo_far_impl.hpp"
#include "dcache/engine/memo_impl.hpp"
#include "dcache/engine/memo_map_impl.hpp"
