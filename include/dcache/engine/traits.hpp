// SPDX-License-Identifier: MIT
/// Which types may be handled while a lock is held, because doing so runs no code of the user's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "dcache/engine/hash.hpp"
#include "dcache/engine/hot.hpp"

namespace dcache::engine {

namespace traits_detail {

template <class T>
struct QuietMove : std::is_trivially_copyable<T> {};
template <class C, class T, class A>
struct QuietMove<std::basic_string<C, T, A>> : std::is_same<A, std::allocator<C>> {};
template <class T>
struct QuietMove<std::vector<T, std::allocator<T>>> : std::true_type {};
template <class T>
struct QuietMove<std::shared_ptr<T>> : std::true_type {};
template <class T>
struct QuietMove<std::unique_ptr<T>> : std::true_type {};
template <class T>
struct QuietMove<std::optional<T>> : QuietMove<T> {};
template <class A, class B>
struct QuietMove<std::pair<A, B>> : std::bool_constant<QuietMove<A>::value && QuietMove<B>::value> {
};
template <class... T>
struct QuietMove<std::tuple<T...>> : std::bool_constant<(QuietMove<T>::value && ...)> {};
template <class T, std::size_t N>
struct QuietMove<std::array<T, N>> : QuietMove<T> {};

/// Somebody has written an equality for it: that of enumerations is no function otherwise.
template <class T>
concept HasEquality = requires(const T& a, const T& b) { operator==(a, b); };

template <class T>
struct QuietContent
    : std::bool_constant<std::is_arithmetic_v<T> || (std::is_enum_v<T> && !HasEquality<T>)> {};
template <class C, class T, class A>
struct QuietContent<std::basic_string<C, T, A>>
    : std::bool_constant<QuietContent<C>::value && std::is_same_v<T, std::char_traits<C>>> {};
template <class T>
struct QuietContent<std::optional<T>> : QuietContent<T> {};
template <class T>
struct QuietContent<std::vector<T, std::allocator<T>>> : QuietContent<T> {};
template <class A, class B>
struct QuietContent<std::pair<A, B>>
    : std::bool_constant<QuietContent<A>::value && QuietContent<B>::value> {};
template <class... T>
struct QuietContent<std::tuple<T...>> : std::bool_constant<(QuietContent<T>::value && ...)> {};
template <class T, std::size_t N>
struct QuietContent<std::array<T, N>> : QuietContent<T> {};

}  // namespace traits_detail

/// Moving it runs no code of the user's and cannot throw.
template <class T>
inline constexpr bool quiet_move =
    traits_detail::QuietMove<T>::value && std::is_nothrow_move_constructible_v<T>;

/// Comparing two with `Equal` runs no code of the user's. (Specialising `std::hash` or our `Hash`
/// for a type is the user's code; for these types it is not allowed.)
template <class T, class Equal>
inline constexpr bool quiet_equal =
    traits_detail::QuietContent<T>::value &&
    (std::is_same_v<Equal, Same<T>> || std::is_same_v<Equal, std::equal_to<T>> ||
     std::is_same_v<Equal, std::equal_to<>>);

/// Hashing one runs no code of the user's and touches nothing but its own bytes: no need to store
/// the hash.
template <class T, class Hasher>
inline constexpr bool quiet_hash =
    traits_detail::QuietContent<T>::value && std::is_trivially_copyable_v<T> &&
    std::is_same_v<Hasher, Hash<T>>;

/// Entries of such keys and values are read by copying words under a sequence lock, without a
/// write to shared memory. Larger ones are pinned instead.
template <class Key, class Value, class Hasher, class Equal>
inline constexpr bool plain_entry =
    std::is_trivially_copyable_v<Key> && std::is_copy_constructible_v<Key> &&
    std::is_trivially_copyable_v<Value> && std::is_copy_constructible_v<Value> &&
    quiet_equal<Key, Equal> && quiet_hash<Key, Hasher> && sizeof(Key) + sizeof(Value) <= 64 &&
    (alignof(Key) >= 4 || alignof(Value) >= 4 || sizeof(Key) + sizeof(Value) <= 8);

/// Fetches what the end of a value touches besides itself, if that is known. (Of no use before a
/// copy: a hit has nothing to do meanwhile.)
template <class T>
DCACHE_HOT inline void prefetch_owned(const T& /*value*/) noexcept {}
template <class T>
DCACHE_HOT inline void prefetch_owned(const std::unique_ptr<T>& value) noexcept {
  __builtin_prefetch(const_cast<const void*>(static_cast<const volatile void*>(value.get())));
}
/// The counts: `std::make_shared` has them right before the object.
template <class T>
DCACHE_HOT inline void prefetch_owned(const std::shared_ptr<T>& value) noexcept {
  const auto object = reinterpret_cast<std::uintptr_t>(value.get());
  // NOLINTNEXTLINE(performance-no-int-to-ptr): may be null, and is not read.
  __builtin_prefetch(reinterpret_cast<const void*>(object - 1), 1);
}

/// The end of one is short, and nothing of what it owns ends in the same function. Of any other it
/// is a call of its own: what is inlined by decree (DCACHE_FLAT) would take in the ends of all that
/// it may own, on every way that leads there, which for trees of a few kinds of nodes are millions.
template <class T>
inline constexpr bool short_end = std::is_trivially_destructible_v<T>;
template <class C, class T, class A>
inline constexpr bool short_end<std::basic_string<C, T, A>> = true;
template <class T>
inline constexpr bool short_end<std::shared_ptr<T>> = true;

/// A value on the heap: moving the box runs no code of the value's.
template <class T>
class Boxed {
 public:
  /// Empty if there is no memory; `value` is left alone then. Passes on what the move throws.
  explicit Boxed(T&& value) : held_(new(std::nothrow) T(std::move(value))) {}
  Boxed(Boxed&&) noexcept = default;
  Boxed& operator=(Boxed&&) = delete;
  [[gnu::noinline]] ~Boxed() {}  // NOLINT(modernize-use-equals-default): as `short_end` says.
  explicit operator bool() const noexcept { return held_ != nullptr; }
  const T& get() const noexcept { return *held_; }
  DCACHE_HOT void prefetch_owned() const noexcept { engine::prefetch_owned(held_); }

 private:
  std::unique_ptr<T> held_;
};

/// A value that is not moved before it is stored.
template <class T>
class Lent {
 public:
  explicit Lent(T&& value) noexcept : value_(value) {}
  explicit operator bool() const noexcept { return true; }
  const T& get() const noexcept { return value_; }
  T&& take() noexcept { return std::move(value_); }

 private:
  T& value_;
};

/// The value itself, where it may be moved under a lock.
template <class T>
class Bare {
 public:
  explicit Bare(T&& value) noexcept : held_(std::move(value)) {}
  explicit Bare(Lent<T>&& value) noexcept : held_(value.take()) {}
  Bare(Bare&&) noexcept = default;
  Bare& operator=(Bare&&) = delete;
  ~Bare()
    requires short_end<T>
  = default;
  [[gnu::noinline]] ~Bare() {}  // NOLINT(modernize-use-equals-default): as `short_end` says.
  explicit operator bool() const noexcept { return true; }
  const T& get() const noexcept { return held_; }
  DCACHE_HOT void prefetch_owned() const noexcept { engine::prefetch_owned(held_); }

 private:
  T held_;
};

/// As an entry holds it, and as it comes to be stored: moved at most once under the lock.
template <class T>
using Held = std::conditional_t<quiet_move<T>, Bare<T>, Boxed<T>>;
template <class T>
using Offered = std::conditional_t<quiet_move<T>, Lent<T>, Boxed<T>>;

/// Text with up to 19 characters in place: most keys then cost a look-up no further cache line, and
/// the cell of one with a 64-bit value is half a line (with room for 23 it lay across two as often
/// as not, and a hit took 6 % more). (`std::string` of libstdc++ has room for 15.)
class ShortText {
 public:
  /// `hash`: what `hash` will say of a long text; that of a short one costs less than its room.
  ShortText(std::string&& text, std::uint64_t hash) noexcept {
    if (text.size() <= room) {
      set_here(text);
    } else {
      set_far(new (std::nothrow) std::string(std::move(text)), hash);
    }
  }
  /// Passes on std::bad_alloc, if the text is long.
  ShortText(std::string_view text, std::uint64_t hash) {
    if (text.size() <= room) {
      set_here(text);
    } else {
      set_far(new (std::nothrow) std::string(text), hash);
    }
  }
  ShortText(ShortText&& other) noexcept
      : here_(other.here_), size_(std::exchange(other.size_, static_cast<unsigned char>(0))) {}
  ShortText& operator=(ShortText&&) = delete;
  ~ShortText() {
    if (size_ == elsewhere) delete far();
  }

  /// False: there was no memory for it. What was handed in is untouched then.
  explicit operator bool() const noexcept { return size_ != elsewhere || far() != nullptr; }
  /// REQUIRES: true; so does the next.
  std::string_view get() const noexcept {
    return size_ != elsewhere ? std::string_view(here_.data(), size_) : std::string_view(*far());
  }
  /// What `Hash<std::string>` says.
  std::uint64_t hash() const noexcept {
    return size_ != elsewhere ? hash_bytes(here_.data(), size_)
                              : load_word(here_.data() + sizeof(std::string*));
  }

 private:
  static constexpr std::size_t room = 19;
  static constexpr unsigned char elsewhere = 0xFF;

  void set_here(std::string_view text) noexcept {
    std::memcpy(here_.data(), text.data(), text.size());
    size_ = static_cast<unsigned char>(text.size());
  }
  void set_far(std::string* text, std::uint64_t hash) noexcept {
    std::memcpy(here_.data(), static_cast<const void*>(&text), sizeof(std::string*));
    std::memcpy(here_.data() + sizeof(std::string*), &hash, sizeof hash);
    size_ = elsewhere;
  }
  std::string* far() const noexcept {
    std::string* text = nullptr;
    std::memcpy(static_cast<void*>(&text), here_.data(), sizeof(std::string*));
    return text;
  }

  std::array<char, room> here_{};
  unsigned char size_ = 0;
};

/// How a key is held.
template <class Key, class Equal>
using HeldKey = std::conditional_t<std::is_same_v<Key, std::string> && quiet_equal<Key, Equal>,
                                   ShortText, Held<Key>>;

/// Holds a key of that hash: moved in, or copied.
template <class HeldKey, class Source>
HeldKey hold_key(Source&& key, std::uint64_t hash) {
  if constexpr (std::is_same_v<HeldKey, ShortText>) {
    return ShortText(std::forward<Source>(key), hash);
  } else if constexpr (std::is_lvalue_reference_v<Source>) {
    return HeldKey(std::remove_cvref_t<Source>(key));
  } else {
    return HeldKey(std::forward<Source>(key));
  }
}

}  // namespace dcache::engine
