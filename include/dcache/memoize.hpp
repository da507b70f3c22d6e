// SPDX-License-Identifier: MIT
/// `memoize`: a function that remembers what it returned.
///
///   auto square = dcache::memoize([](int n) { return slow(n); });
///   auto quote = dcache::memoize("quote", fetch_quote, {.ttl = 10min, .stale_for = 1h});
///   quote("ACME");  // runs once, then remembers
///
/// Any function, or object with one call operator, of any number of hashable arguments. References
/// and views among the arguments are kept by value; C strings by their text. A generic lambda needs
/// its signature: `memoize<int(int)>(f)`. A body runs once for each set of arguments, however many
/// threads ask; what it throws goes to those who were waiting for it, and is not kept.
///
/// Threads: everything is safe from any thread. The body runs on the thread that called, without a
/// lock, and for different arguments on several threads at once.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <ranges>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "dcache/engine/default_tiers.hpp"
#include "dcache/engine/later.hpp"
#include "dcache/engine/memo.hpp"
#include "dcache/engine/signature.hpp"
#include "dcache/mode.hpp"
#include "dcache/options.hpp"

namespace dcache {

template <class Function>
class Memoized;

/// A memoized function. Copies share what is remembered; two calls of `memoize` never do.
///
/// A call returns the result, or, where results cannot be copied, a `std::shared_ptr<const T>` to
/// it. The verbs take the arguments of the call.
template <class R, class... Parameters>
class Memoized<R(Parameters...)> {
  static_assert(engine::check_result<R>() && (engine::check_argument<Parameters>() && ...));

 public:
  using Result = std::remove_cv_t<R>;
  using Options = MemoizeOptions<Result>;
  using Given = typename engine::Memo<Result, Parameters...>::Given;

  /// What `memoize` does. Throws ConfigError for options that can never work, and for a function
  /// that is null.
  template <class F>
  Memoized(std::string name, F function, Options options)
      : memo_(std::make_shared<Memo>(
            std::move(name), engine::as_function<Result, Parameters...>(std::move(function)),
            std::move(options))) {}

  /// What `Cache::memoize` does, and what `memoize` does with a name: `far` is what an
  /// `engine::FarBinding` is made of.
  template <class F, class Far>
  Memoized(std::string name, F function, Options options, Far far)
      : memo_(std::make_shared<Memo>(
            std::move(name), engine::as_function<Result, Parameters...>(std::move(function)),
            std::move(options), std::move(far))) {}

  /// Moving copies, so that there is none without a function behind it.
  Memoized(const Memoized&) noexcept = default;
  Memoized& operator=(const Memoized&) noexcept = default;
  ~Memoized() = default;

  /// The call. Throws what the function throws.
  // NOLINTNEXTLINE(performance-unnecessary-value-param): as the function takes them.
  Given operator()(Parameters... arguments) const { return memo_->call(Memo::view(arguments...)); }

  /// The same for a coroutine: `co_await quote.later(executor, "ACME")`. What is fresh in memory is
  /// given at once; else the call runs on the executor, and the coroutine goes on there. The
  /// executor outlives that.
  engine::Later<engine::Memo<Result, Parameters...>> later(engine::Executor& executor,
                                                           Parameters... arguments) const {
    return {memo_, executor, Memo::own(Memo::view(arguments...))};
  }

  /// The results of many calls, in their order: `calls` has the argument of each, or a tuple of
  /// them. As `(*this)(…)` would give them one after the other, but each far tier is asked once for
  /// up to 64 that are not in memory. Throws what the function throws; what came before is kept.
  template <std::ranges::input_range Calls>
  std::vector<Given> map(const Calls& calls) const {
    std::vector<typename Memo::Key> keys;
    for (const auto& call : calls) {
      if constexpr (sizeof...(Parameters) == 1) {
        keys.push_back(Memo::own(Memo::view(call)));
      } else {
        keys.push_back(
            std::apply([](const auto&... part) { return Memo::own(Memo::view(part...)); }, call));
      }
    }
    return memo_->map(keys);
  }

  /// Forgets this call; a computation that is running is returned to its own callers and kept
  /// nowhere. True: there was something to forget, or there may have been in a far tier. Throws
  /// InvalidationError if a far tier was not reached, ModeError if the mode forbids it to reach
  /// one.
  bool invalidate(Parameters... arguments) const {
    return memo_->invalidate(Memo::view(arguments...));
  }

  /// Computes anew, keeps and returns the result. If it throws, the old result stays; if it is not
  /// to be kept (`cache_if`, a `ttl` of zero, too heavy), nothing is there any more.
  Given refresh(Parameters... arguments) const { return memo_->refresh(Memo::view(arguments...)); }

  /// What a call would return without computing: fresh results only. Counts nothing.
  std::optional<Given> peek(Parameters... arguments) const {
    return memo_->peek(Memo::view(arguments...));
  }

  /// Keeps `result` for this call. It wins over a computation that is running. False: not kept
  /// (`cache_if`, a `ttl` of zero, or too heavy), and nothing is there any more. Throws
  /// TierError if a far tier did not take it, ModeError if the mode forbids it to reach one.
  bool put(Result result, Parameters... arguments) const {
    return memo_->put(std::move(result), Memo::view(arguments...));
  }

  /// Forgets every call; running computations as with `invalidate`. Other processes notice within
  /// `mark_ttl`, their near tiers within `near_ttl` more. Throws as `invalidate`.
  void clear() const { memo_->clear(); }

  MemoizeStats stats() const noexcept { return memo_->stats(); }

  /// One for each far tier, nearest first.
  std::vector<engine::TierStats> far_stats() const { return memo_->far_stats(); }

  /// What each tier says about this call, and how long that took; a line each. Computes nothing.
  std::string explain(Parameters... arguments) const {
    return memo_->explain(Memo::view(arguments...));
  }

  /// As given to `memoize`; empty if it was not.
  const std::string& name() const noexcept { return memo_->name(); }

  // --- For the engine ---

  using Memo = engine::Memo<Result, Parameters...>;
  Memo& memo() const noexcept { return *memo_; }

 private:
  std::shared_ptr<Memo> memo_;
};

namespace memoize_detail {
template <class F>
concept Plain = !std::is_function_v<F> && engine::HasSignature<F>;
template <class F>
concept Unclear = !std::is_function_v<F> && !engine::HasSignature<F>;
template <class F>
using Options = MemoizeOptions<engine::result_of<engine::signature_of<F>>>;
// A function with a name has the far tiers of the application behind its memory.
template <class S>
struct Maker;
template <class R, class... P>
struct Maker<R(P...)> {
  using Far = typename engine::Memo<std::remove_cv_t<R>, P...>::Far;

  template <class F>
  static Memoized<R(P...)> make(std::string name, F function,
                                MemoizeOptions<std::remove_cv_t<R>> options) {
    if (name.empty()) return {std::move(name), std::move(function), std::move(options)};
    return {std::move(name), std::move(function), std::move(options), &resolve};
  }
  static std::shared_ptr<const Far> resolve(const std::string& name, std::atomic<bool>& told) {
    const auto tiers = engine::default_tiers();
    if (!tiers) return nullptr;
    if constexpr (engine::goes_far<R(P...)>) {
      auto side = engine::far_side<std::remove_cv_t<R>, P...>(
          std::make_shared<engine::FarFunction>(tiers->chain, tiers->space, name, ""));
      side.near_ttl = tiers->chain->near_ttl();
      return std::make_shared<const Far>(std::move(side));
    } else {
      if (!told.exchange(true)) {
        engine::warn_stays_near(name, "its result or an argument has no dcache::Codec");
      }
      return nullptr;
    }
  }
};

template <class F>
void refuse() {
  static_assert(engine::HasSignature<F>,
                "dcache: memoize cannot tell what this callable takes and returns. For a generic "
                "lambda, or several call operators, say it: memoize<R(Args...)>(f). For a member "
                "function, pass a lambda that calls it.");
}
}  // namespace memoize_detail

/// Remembers what `function` returned. `name` is what other programs know it by: results are kept
/// in the far tiers of the application, too, if it has some: those that `dcache::configure`
/// (`dcache/cache.hpp`) named, also later, or `DCACHE_URL`, which is read when the first call is
/// not answered from memory; that throws ConfigError if it can never work. A function whose result
/// or arguments have no `Codec` stays near, with one line on the standard error output.
///
/// What the process does with all of its functions is its `Mode` (`dcache/mode.hpp`).
template <class F>
  requires memoize_detail::Plain<F>
Memoized<engine::signature_of<F>> memoize(std::string name, F function,
                                          memoize_detail::Options<F> options = {}) {
  return memoize_detail::Maker<engine::signature_of<F>>::make(std::move(name), std::move(function),
                                                              std::move(options));
}
template <class F>
  requires memoize_detail::Plain<F>
Memoized<engine::signature_of<F>> memoize(F function, memoize_detail::Options<F> options = {}) {
  return {std::string(), std::move(function), std::move(options)};
}

/// The same for a callable with several signatures, such as a generic lambda, or a function with
/// overloads.
template <class S, class F = S*>
  requires std::is_function_v<S>
Memoized<S> memoize(std::string name, F function,
                    MemoizeOptions<engine::result_of<S>> options = {}) {
  return memoize_detail::Maker<S>::make(std::move(name), std::move(function), std::move(options));
}
template <class S, class F = S*>
  requires std::is_function_v<S>
Memoized<S> memoize(F function, MemoizeOptions<engine::result_of<S>> options = {}) {
  return {std::string(), std::move(function), std::move(options)};
}

/// A callable whose signature cannot be told is refused with a sentence.
template <memoize_detail::Unclear F>
void memoize(const std::string&, const F&, const MemoizeOptions<int>& = {}) {
  memoize_detail::refuse<F>();
}
template <memoize_detail::Unclear F>
void memoize(const F&, const MemoizeOptions<int>& = {}) {
  memoize_detail::refuse<F>();
}

}  // namespace dcache
