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

#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "dcache/engine/memo.hpp"
#include "dcache/engine/signature.hpp"
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

  /// The call. Throws what the function throws.
  // NOLINTNEXTLINE(performance-unnecessary-value-param): as the function takes them.
  Given operator()(Parameters... arguments) const { return memo_->call(Memo::view(arguments...)); }

  /// Forgets this call; a computation that is running is returned to its own callers and kept
  /// nowhere. True: there was something to forget.
  bool invalidate(Parameters... arguments) const {
    return memo_->invalidate(Memo::view(arguments...));
  }

  /// Computes anew, keeps and returns the result. If it throws, the old result stays.
  Given refresh(Parameters... arguments) const { return memo_->refresh(Memo::view(arguments...)); }

  /// What a call would return without computing: fresh results only. Counts nothing.
  std::optional<Given> peek(Parameters... arguments) const {
    return memo_->peek(Memo::view(arguments...));
  }

  /// Keeps `result` for this call. It wins over a computation that is running. False: not kept
  /// (`cache_if`, a `ttl` of zero, or too heavy); what was kept before may still be.
  bool put(Result result, Parameters... arguments) const {
    return memo_->put(std::move(result), Memo::view(arguments...));
  }

  /// Forgets every call; running computations as with `invalidate`.
  void clear() const { memo_->clear(); }

  MemoizeStats stats() const noexcept { return memo_->stats(); }

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
template <class F>
void refuse() {
  static_assert(engine::HasSignature<F>,
                "dcache: memoize cannot tell what this callable takes and returns. For a generic "
                "lambda, or several call operators, say it: memoize<R(Args...)>(f). For a member "
                "function, pass a lambda that calls it.");
}
}  // namespace memoize_detail

/// Remembers what `function` returned. `name` is what other programs will know it by once there is
/// a far tier.
template <class F>
  requires memoize_detail::Plain<F>
Memoized<engine::signature_of<F>> memoize(std::string name, F function,
                                          memoize_detail::Options<F> options = {}) {
  return {std::move(name), std::move(function), std::move(options)};
}
template <class F>
  requires memoize_detail::Plain<F>
Memoized<engine::signature_of<F>> memoize(F function, memoize_detail::Options<F> options = {}) {
  return {std::string(), std::move(function), std::move(options)};
}

/// The same for a callable with several signatures, such as a generic lambda.
template <class S, class F>
  requires std::is_function_v<S>
Memoized<S> memoize(std::string name, F function,
                    MemoizeOptions<engine::result_of<S>> options = {}) {
  return {std::move(name), std::move(function), std::move(options)};
}
template <class S, class F>
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
