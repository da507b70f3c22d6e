// SPDX-License-Identifier: MIT
/// Hashes for keys: 64 well mixed bits, different in every process.
///
/// `Hash<T>` covers numbers, enumerations, text, and the standard containers of what it covers; for
/// any other type it mixes what `std::hash<T>` says. The engine takes shard, group, tag and sample
/// from different bits of one value, so a weak hash (the identity of `std::hash<int>`) would not
/// do. The values are for tables in this process only: never store them.
///
/// `Same<T>` is the equality that goes with it: two values are the same iff they have the same
/// content. It differs from `==` where `==` is looser: 0.0 and -0.0 are two values, NaN is one.
#pragma once

#include <array>
#include <chrono>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace dcache::engine {

inline constexpr std::uint64_t hash_secret = 0x9E3779B97F4A7C15U;
inline constexpr char hash_anchor = 0;

/// Where the loader put us: differs from process to process, so that keys which collide in one
/// cannot be prepared for another. Costs no load.
inline std::uint64_t process_seed() noexcept {
  return static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(&hash_anchor));
}

/// The upper half of the product: `a` as a fraction of `b` (fastrange, Lemire 2019).
inline std::uint64_t multiply_high(std::uint64_t a, std::uint64_t b) noexcept {
#if defined(__SIZEOF_INT128__) && !defined(DCACHE_PORTABLE)
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>(static_cast<Wide>(a) * b >> 64U);
#else
  constexpr std::uint64_t low = 0xFFFFFFFFU;
  const std::uint64_t left = (a >> 32U) * (b & low);
  const std::uint64_t right = (a & low) * (b >> 32U);
  const std::uint64_t carry = (left & low) + (right & low) + ((a & low) * (b & low) >> 32U);
  return (a >> 32U) * (b >> 32U) + (left >> 32U) + (right >> 32U) + (carry >> 32U);
#endif
}

/// Multiplies to 128 bits and folds (the mixing step of wyhash, Wang Yi 2019).
inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
#ifdef __SIZEOF_INT128__
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
#else
  std::uint64_t x = a ^ (b << 32U | b >> 32U);
  x = (x ^ x >> 33U) * 0xFF51AFD7ED558CCDU;
  x = (x ^ x >> 33U) * 0xC4CEB9FE1A85EC53U;
  return x ^ x >> 33U;
#endif
}

inline std::uint64_t hash_number(std::uint64_t number) noexcept {
  return mix(number ^ process_seed(), hash_secret);
}

/// The eight bytes from `at` on, which need no alignment.
inline std::uint64_t load_word(const void* at) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  return word;
}

/// Any run of bytes. Never reads outside `[data, data + size)`.
inline std::uint64_t hash_bytes(const void* data, std::size_t size) noexcept {
  const auto* bytes = static_cast<const unsigned char*>(data);
  const auto half = [](const unsigned char* at) {
    std::uint32_t value = 0;
    std::memcpy(&value, at, sizeof value);
    return std::uint64_t{value};
  };
  // Nobody outside knows it: a factor of zero would swallow the other one.
  const std::uint64_t secret = hash_secret ^ process_seed();
  std::uint64_t seed = process_seed() ^ size;
  std::size_t left = size;
  for (; left > 16; left -= 16, bytes += 16) {
    seed = mix(load_word(bytes) ^ secret, load_word(bytes + 8) ^ seed);
  }
  std::uint64_t a = 0;
  std::uint64_t b = 0;
  if (left >= 8) {  // Two words that may overlap cover 8 to 16 bytes.
    a = load_word(bytes);
    b = load_word(bytes + left - 8);
  } else if (left >= 4) {
    a = half(bytes);
    b = half(bytes + left - 4);
  } else if (left > 0) {
    a = std::uint64_t{bytes[0]} << 16U | std::uint64_t{bytes[left / 2]} << 8U | bytes[left - 1];
  }
  return mix(mix(a ^ secret, b ^ seed), hash_secret ^ size);
}

/// The order of the parts counts.
inline std::uint64_t hash_combine(std::uint64_t seed, std::uint64_t part) noexcept {
  return mix(seed ^ 0xD6E8FEB86659FD93U, part ^ hash_secret);
}

template <class T>
concept Text = std::convertible_to<const T&, std::string_view> && !std::is_pointer_v<T> &&
               requires(const T& text) { text.data(), text.size(); };

/// The standard's own: the elements are all there is to them.
template <class T>
inline constexpr bool only_elements = false;
template <class T, class A>
inline constexpr bool only_elements<std::vector<T, A>> = true;
template <class T, class A>
inline constexpr bool only_elements<std::deque<T, A>> = true;
template <class T, class A>
inline constexpr bool only_elements<std::list<T, A>> = true;
template <class T, std::size_t N>
inline constexpr bool only_elements<std::array<T, N>> = true;
template <class T, class C, class A>
inline constexpr bool only_elements<std::set<T, C, A>> = true;
template <class T, class C, class A>
inline constexpr bool only_elements<std::multiset<T, C, A>> = true;
template <class K, class T, class C, class A>
inline constexpr bool only_elements<std::map<K, T, C, A>> = true;
template <class K, class T, class C, class A>
inline constexpr bool only_elements<std::multimap<K, T, C, A>> = true;

/// A type with a hash of its own is taken by that and by `==`, whatever else it looks like.
template <class T>
concept HashedByStd = std::is_default_constructible_v<std::hash<T>>;

template <class T>
concept Range = (only_elements<T> || !HashedByStd<T>) && requires(const T& range) {
  range.begin();
  range.end();
  range.size();
};

template <class T>
concept TupleLike = requires { std::tuple_size<T>::value; } && !Range<T> && !HashedByStd<T>;

template <class T>
struct Hash;
template <class T>
struct Same;

/// The content of a floating point number as bits, with one NaN and two zeros.
template <std::floating_point T>
std::uint64_t float_bits(T number) noexcept {
  if (number != number) return ~std::uint64_t{0};
  if constexpr (sizeof(T) <= sizeof(std::uint64_t)) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &number, sizeof number);
    return bits;
  } else {  // long double: its padding bytes are not content.
    return std::hash<T>{}(number) ^ static_cast<std::uint64_t>(__builtin_signbitl(number));
  }
}

template <class T>
struct Hash {
  std::uint64_t operator()(const T& value) const
    requires(std::is_arithmetic_v<T> || std::is_enum_v<T> || HashedByStd<T>)
  {
    if constexpr (std::is_integral_v<T> || std::is_enum_v<T>) {
      return hash_number(static_cast<std::uint64_t>(value));
    } else if constexpr (std::is_floating_point_v<T>) {
      return hash_number(float_bits(value));
    } else {
      // A hash of the user's may be the identity: mix it.
      return hash_number(static_cast<std::uint64_t>(std::hash<T>{}(value)));
    }
  }
};

template <class T>
struct Same {
  template <class A, class B>
  bool operator()(const A& a, const B& b) const {
    if constexpr (std::is_arithmetic_v<T>) {
      // As a T, which is what a store of the same number would make of it.
      return same_number(static_cast<T>(a), static_cast<T>(b));
    } else {
      return static_cast<bool>(a == b);
    }
  }

 private:
  static bool same_number(T a, T b) noexcept {
    if constexpr (std::is_floating_point_v<T>) {
      return (a == b && std::signbit(a) == std::signbit(b)) || (a != a && b != b);
    } else {
      return a == b;
    }
  }
};

/// Whether two texts are equal; those of 8 to 16 characters without a call.
inline bool same_text(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size() || a.size() < 8 || a.size() > 16) return a == b;
  const std::size_t last = a.size() - 8;
  return load_word(a.data()) == load_word(b.data()) &&
         load_word(a.data() + last) == load_word(b.data() + last);
}

template <>
struct Same<std::string> {
  bool operator()(std::string_view a, std::string_view b) const noexcept { return same_text(a, b); }
};

/// Text is its bytes, in whatever it is held.
template <Text T>
struct Hash<T> {
  std::uint64_t operator()(std::string_view text) const noexcept {
    return hash_bytes(text.data(), text.size());
  }
};

/// Elements in order: vector, deque, list, and the ordered set and map.
template <class T>
  requires(Range<T> && !Text<T> && !requires(const T& table) { table.bucket_count(); })
struct Hash<T> {
  std::uint64_t operator()(const T& range) const {
    std::uint64_t seed = hash_number(range.size());
    for (const auto& element : range) {
      seed = hash_combine(seed, Hash<std::remove_cvref_t<decltype(element)>>{}(element));
    }
    return seed;
  }
};

template <class T>
  requires(Range<T> && !Text<T> && !requires(const T& table) { table.bucket_count(); })
struct Same<T> {
  template <class B>
  bool operator()(const T& a, const B& b) const {
    if (a.size() != b.size()) return false;
    if constexpr (!only_elements<T>) {  // Somebody's own, which may hold more than its elements.
      if (!(a == b)) return false;
    }
    auto other = b.begin();
    for (const auto& element : a) {
      using Element = std::remove_cvref_t<decltype(element)>;
      if (!Same<Element>{}(element, static_cast<const Element&>(*other))) return false;
      ++other;
    }
    return true;
  }
};

/// Unordered sets and maps: the order of the elements is no content.
template <class T>
  requires(Range<T> && !Text<T> && requires(const T& table) { table.bucket_count(); })
struct Hash<T> {
  std::uint64_t operator()(const T& table) const {
    std::uint64_t sum = hash_number(table.size());
    for (const auto& element : table)
      sum += Hash<std::remove_cvref_t<decltype(element)>>{}(element);
    return hash_number(sum);
  }
};

/// pair, tuple, array.
template <TupleLike T>
struct Hash<T> {
  template <class View>
  std::uint64_t operator()(const View& view) const {
    return hash_parts(view, std::make_index_sequence<std::tuple_size_v<T>>{});
  }

 private:
  template <class View, std::size_t... I>
  static std::uint64_t hash_parts(const View& view, std::index_sequence<I...>) {
    if constexpr (sizeof...(I) == 1) {
      return (Hash<std::tuple_element_t<I, T>>{}(std::get<I>(view)), ...);
    } else {
      std::uint64_t seed = hash_secret + sizeof...(I);
      ((seed = hash_combine(seed, Hash<std::tuple_element_t<I, T>>{}(std::get<I>(view)))), ...);
      return seed;
    }
  }
};

template <TupleLike T>
struct Same<T> {
  template <class A, class B>
  bool operator()(const A& a, const B& b) const {
    return same_parts(a, b, std::make_index_sequence<std::tuple_size_v<T>>{});
  }

 private:
  template <class A, class B, std::size_t... I>
  static bool same_parts(const A& a, const B& b, std::index_sequence<I...>) {
    return (Same<std::tuple_element_t<I, T>>{}(std::get<I>(a), std::get<I>(b)) && ...);
  }
};

template <class T>
struct Hash<std::optional<T>> {
  std::uint64_t operator()(const std::optional<T>& value) const {
    return value ? hash_combine(1, Hash<std::remove_cv_t<T>>{}(*value)) : hash_number(0);
  }
};

template <class T>
struct Same<std::optional<T>> {
  bool operator()(const std::optional<T>& a, const std::optional<T>& b) const {
    return a.has_value() == b.has_value() && (!a || Same<std::remove_cv_t<T>>{}(*a, *b));
  }
};

template <class... T>
struct Hash<std::variant<T...>> {
  std::uint64_t operator()(const std::variant<T...>& value) const {
    const auto part = [](const auto& held) {
      return Hash<std::remove_cvref_t<decltype(held)>>{}(held);
    };
    return hash_combine(value.index(), std::visit(part, value));
  }
};

template <class... T>
struct Same<std::variant<T...>> {
  bool operator()(const std::variant<T...>& a, const std::variant<T...>& b) const {
    if (a.index() != b.index()) return false;
    const auto part = [&b](const auto& held) {
      using Held = std::remove_cvref_t<decltype(held)>;
      return Same<Held>{}(held, *std::get_if<Held>(&b));
    };
    return std::visit(part, a);
  }
};

template <>
struct Hash<std::monostate> {
  std::uint64_t operator()(std::monostate) const noexcept { return hash_number(0); }
};

template <class Rep, class Period>
struct Hash<std::chrono::duration<Rep, Period>> {
  std::uint64_t operator()(std::chrono::duration<Rep, Period> value) const {
    return Hash<Rep>{}(value.count());
  }
};

template <class C, class D>
struct Hash<std::chrono::time_point<C, D>> {
  std::uint64_t operator()(std::chrono::time_point<C, D> value) const {
    return Hash<D>{}(value.time_since_epoch());
  }
};

}  // namespace dcache::engine
