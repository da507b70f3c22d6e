// SPDX-License-Identifier: MIT
/// The members of a plain aggregate, in order, without a list of them.
///
/// `struct Point { int x; int y; };` has two: `members(point)` is a tuple of references to them. At
/// most 16 members; one with an array in C's manner, or with a base class, is none of ours: the
/// language does not tell what is whose. None of them may be a bit-field, which cannot be told.
#pragma once

#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

namespace dcache::engine {

namespace aggregate_detail {
struct Any {
  template <class T>
  operator T() const noexcept;  // NOLINT(*-explicit-*): never called, only asked about.
};

template <class T, std::size_t... I>
consteval bool takes(std::index_sequence<I...>) {
  return requires { T{(static_cast<void>(I), Any{})...}; };
}

inline constexpr std::size_t members_max = 16;

// The most initializers that T takes; more than there may be if it is one beyond the bound.
template <class T, std::size_t N = members_max + 1>
consteval std::size_t count() {
  if constexpr (N == 0) {
    return 0;
  } else if constexpr (takes<T>(std::make_index_sequence<N>{})) {
    return N;
  } else {
    return count<T, N - 1>();
  }
}

template <class T>
struct AnyBase {
  template <class Base>
    requires(std::is_base_of_v<Base, T> && !std::is_same_v<Base, T>)
  operator Base() const noexcept;  // NOLINT(*-explicit-*)
};
template <class T>
inline constexpr bool has_base = requires { T{AnyBase<T>{}}; };

template <class T, std::size_t... Before, std::size_t... After>
consteval bool takes_two(std::index_sequence<Before...>, std::index_sequence<After...>) {
  return requires {
    T{(static_cast<void>(Before), Any{})..., {Any{}, Any{}}, (static_cast<void>(After), Any{})...};
  };
}

// An array is counted by its elements; in braces of its own it leaves less for those behind it.
template <class T, std::size_t I = 0>
consteval bool has_array() {
  if constexpr (I == count<T>()) {
    return false;
  } else {
    constexpr std::make_index_sequence<I> before;
    constexpr std::make_index_sequence<count<T>() - I - 1> after;
    if constexpr (takes_two<T>(before, std::index_sequence<>()) && !takes_two<T>(before, after)) {
      return true;
    } else {
      return has_array<T, I + 1>();
    }
  }
}
}  // namespace aggregate_detail

/// True: `members` works on a T.
template <class T>
concept PlainAggregate = std::is_aggregate_v<T> && std::is_class_v<T> && !std::is_empty_v<T> &&
                         aggregate_detail::count<T>() > 0 &&
                         aggregate_detail::count<T>() <= aggregate_detail::members_max &&
                         !aggregate_detail::has_base<T> && !aggregate_detail::has_array<T>();

/// References to the members of `object`, which is a PlainAggregate, const or not.
template <class T>
constexpr auto members(T& object) noexcept {
  constexpr std::size_t count = aggregate_detail::count<std::remove_const_t<T>>();
  // One line for each number: a structured binding cannot have a variable number of names.
  // clang-format off
  if constexpr (count == 1) { auto& [a] = object; return std::tie(a); }
  else if constexpr (count == 2) { auto& [a, b] = object; return std::tie(a, b); }
  else if constexpr (count == 3) { auto& [a, b, c] = object; return std::tie(a, b, c); }
  else if constexpr (count == 4) { auto& [a, b, c, d] = object; return std::tie(a, b, c, d); }
  else if constexpr (count == 5) { auto& [a, b, c, d, e] = object; return std::tie(a, b, c, d, e); }
  else if constexpr (count == 6) { auto& [a, b, c, d, e, f] = object; return std::tie(a, b, c, d, e, f); }
  else if constexpr (count == 7) { auto& [a, b, c, d, e, f, g] = object; return std::tie(a, b, c, d, e, f, g); }
  else if constexpr (count == 8) { auto& [a, b, c, d, e, f, g, h] = object; return std::tie(a, b, c, d, e, f, g, h); }
  else if constexpr (count == 9) { auto& [a, b, c, d, e, f, g, h, i] = object; return std::tie(a, b, c, d, e, f, g, h, i); }
  else if constexpr (count == 10) { auto& [a, b, c, d, e, f, g, h, i, j] = object; return std::tie(a, b, c, d, e, f, g, h, i, j); }
  else if constexpr (count == 11) { auto& [a, b, c, d, e, f, g, h, i, j, k] = object; return std::tie(a, b, c, d, e, f, g, h, i, j, k); }
  else if constexpr (count == 12) { auto& [a, b, c, d, e, f, g, h, i, j, k, l] = object; return std::tie(a, b, c, d, e, f, g, h, i, j, k, l); }
  else if constexpr (count == 13) { auto& [a, b, c, d, e, f, g, h, i, j, k, l, m] = object; return std::tie(a, b, c, d, e, f, g, h, i, j, k, l, m); }
  else if constexpr (count == 14) { auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n] = object; return std::tie(a, b, c, d, e, f, g, h, i, j, k, l, m, n); }
  else if constexpr (count == 15) { auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o] = object; return std::tie(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o); }
  else { auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = object; return std::tie(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p); }
  // clang-format on
}

}  // namespace dcache::engine
