// SPDX-License-Identifier: MIT
/// How a memoized function reaches its far tiers: what `Cache::memoize` gives to `Memo`.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "dcache/codec.hpp"
#include "dcache/engine/default_tiers.hpp"
#include "dcache/engine/freshness.hpp"
#include "dcache/engine/lock.hpp"
#include "dcache/engine/signature.hpp"
#include "dcache/engine/tiers.hpp"
#include "dcache/options.hpp"

namespace dcache::engine {

inline constexpr std::string_view plain_codec = "cbor";

template <class Result, class View>
struct FarSide {
  std::shared_ptr<FarFunction> function;
  /// Canonical bytes of the arguments.
  std::string (*arguments)(const View&) = nullptr;
  std::string (*encode)(const Result&) = nullptr;
  std::optional<Result> (*decode)(std::string_view) = nullptr;
  /// False: each call asks the far tiers.
  bool near = true;
  /// What another process may have changed is asked for again after this.
  std::optional<Duration> near_ttl;
};

/// The far tiers of one function: its own, those of the application (which may become others), or
/// none. Thread-safe.
template <class Far>
class FarBinding {
 public:
  using Shared = std::shared_ptr<const Far>;
  /// Null: memory alone. `told`: its user knows already why it stays there.
  using Resolve = Shared (*)(const std::string& name, std::atomic<bool>& told);

  FarBinding() = default;
  explicit FarBinding(Far own) : side_(std::make_shared<const Far>(std::move(own))) {}
  explicit FarBinding(Resolve resolve) : resolve_(resolve) {}

  /// Whether results are kept near, too.
  bool near() const noexcept { return resolve_ != nullptr || !side_ || side_->near; }

  /// Those of now, for one call from its beginning to its end. Throws ConfigError for tiers of the
  /// application that can never work.
  Shared of(const std::string& name) {
    if (resolve_ == nullptr) return side_;
    const std::uint32_t epoch = default_tiers_epoch();
    {
      const Held held(*this);
      if (epoch_ == epoch) return side_;
    }
    Shared side = resolve_(name, told_);  // Not under the lock: schemes are opened by anybody.
    const Held held(*this);
    epoch_ = epoch;
    side_.swap(side);
    return side_;
  }

 private:
  class Held {
   public:
    explicit Held(FarBinding& binding) noexcept : binding_(binding) {
      if (!binding.lock_.lock()) return;
      new (&binding.side_) Shared();  // Caught in the middle of a change by a fork.
      binding.epoch_ = 0;
    }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    ~Held() { binding_.lock_.unlock(); }

   private:
    FarBinding& binding_;
  };

  Resolve resolve_ = nullptr;
  std::atomic<bool> told_{false};
  Lock lock_;
  // Guarded by lock_ where they are the application's.
  Shared side_;
  std::uint32_t epoch_ = 0;
};

/// How much of what is there counts for a flight.
enum class Sight : std::uint8_t {
  all,         ///< What is fresh is the result.
  blind,       ///< Nothing.
  background,  ///< Nothing; and where another process computes it, it is left to that one.
};

/// How long a result lives, as it says itself.
struct Life {
  std::optional<Duration> ttl;
};

/// REQUIRES: there is a `Codec` for the result and for each argument.
template <class Result, class... Parameters>
FarSide<Result, std::tuple<typename Argument<Parameters>::View...>> far_side(
    std::shared_ptr<FarFunction> function) {
  using View = std::tuple<typename Argument<Parameters>::View...>;
  FarSide<Result, View> side;
  side.function = std::move(function);
  side.arguments = [](const View& view) {
    std::string bytes;
    Encoder out(bytes, Encoder::Form::key);
    out.array(sizeof...(Parameters));
    std::apply(
        [&](const auto&... part) { (out.write(typename Argument<Parameters>::Stored(part)), ...); },
        view);
    return bytes;
  };
  side.encode = [](const Result& result) { return dcache::encode(result); };
  side.decode = [](std::string_view bytes) { return dcache::decode<Result>(bytes); };
  return side;
}

namespace far_detail {
// What the Codec of a T leaves to those of others.
template <class T>
struct Members : signature_detail::Parts<T> {};
template <class T>
  requires(Range<T> && !only_elements<T> && !requires { typename T::hasher; })
struct Members<T> {  // The user's own, which has a Codec of its own.
  using type = std::tuple<>;
};
template <class T>
  requires(Range<T> && requires { typename T::mapped_type; })
struct Members<T> {
  using type = std::tuple<typename T::key_type, typename T::mapped_type>;
};
template <class T>
  requires signature_detail::IsSmartPointer<T>::value
struct Members<T> {
  using type = std::tuple<std::remove_const_t<typename T::element_type>>;
};
template <class T>
  requires requires { Codec<T>::by_members; }
struct Members<T> {
  using type = decltype(members(std::declval<T&>()));
};

// There is a Codec for all that a T is made of; that it is `Encodable` says so of the T alone.
// `read`: it is made from bytes, too. `Outer`: what the T is part of, which may be a T (a tree).
template <class T, bool read, class... Outer>
consteval bool encodable_through() {
  if constexpr ((std::same_as<T, Outer> || ...)) {
    return true;
  } else if constexpr (!Encodable<T>) {
    return false;
  } else {
    constexpr bool written = read && requires { Codec<T>::by_members; };
    return []<class... Part>(std::type_identity<std::tuple<Part...>>) {
      return ((!written || !std::is_const_v<std::remove_reference_t<Part>>) && ...) &&
             (encodable_through<std::remove_cvref_t<Part>, read, T, Outer...>() && ...);
    }(std::type_identity<typename Members<T>::type>{});
  }
}
}  // namespace far_detail

/// Whether calls of this signature can go far: there is a `Codec` for the result and each argument.
template <class S>
inline constexpr bool goes_far = false;
template <class R, class... P>
inline constexpr bool goes_far<R(P...)> =
    far_detail::encodable_through<std::remove_cv_t<R>, true>() &&
    std::default_initializable<std::remove_cv_t<R>> &&
    (far_detail::encodable_through<typename Argument<P>::Stored, false>() && ...);

/// The times of a result that is computed now.
inline RecordTimes times_of(WallTime now, std::optional<Duration> ttl, Duration stale_for,
                            std::chrono::nanoseconds cost) {
  RecordTimes times;
  times.created = now;
  times.cost = static_cast<std::uint64_t>(microseconds(cost));
  if (!ttl) return times;
  times.fresh_until = now + microseconds(*ttl);
  times.usable_until = times.fresh_until + microseconds(stale_for);
  return times;
}

/// The terms of an entry that others may change: it is asked for again after `near_ttl`.
/// `after(span)` is the table's.
template <class After>
Terms suspected(Terms terms, std::optional<Duration> near_ttl, Duration stale_for, After&& after) {
  if (!near_ttl) return terms;
  // Only what has a deadline is reviewed; this one is as late as moments reach.
  if (terms.dies == no_moment) terms.dies = after(std::chrono::hours(24 * 20) + stale_for);
  terms.review = std::min(terms.review, after(*near_ttl));
  return terms;
}

/// When a record was to be refreshed ahead of its end; `no_end`: never.
inline WallTime refresh_time(const RecordTimes& times, std::optional<double> refresh_ahead) {
  if (!refresh_ahead || times.fresh_until == no_end) return no_end;
  const auto span = static_cast<double>(times.fresh_until - times.created) * *refresh_ahead;
  return times.created + static_cast<WallTime>(span);
}

/// The terms of what was found: as long as the record says, whatever the function's options are.
template <class After>
Terms terms_of(const RecordTimes& times, WallTime now, const Freshness& freshness, After&& after) {
  if (times.usable_until == no_end) return {};
  const auto until = [&](WallTime time) {
    return after(std::chrono::microseconds(std::max<WallTime>(time - now, 0)));
  };
  Terms terms;
  terms.dies =
      until(std::min(times.usable_until, times.fresh_until + microseconds(freshness.stale_for)));
  terms.review = until(std::min(times.fresh_until, refresh_time(times, freshness.refresh_ahead)));
  return terms;
}

}  // namespace dcache::engine
