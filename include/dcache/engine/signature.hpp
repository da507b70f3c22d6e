// SPDX-License-Identifier: MIT
/// What a callable takes and returns, how its arguments are kept, and what is refused at compile
/// time, with a sentence.
#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <future>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "dcache/engine/hash.hpp"

namespace dcache::engine {

/// The `R(Args...)` of a callable that has exactly one.
template <class F>
struct Signature;
template <class R, class... A>
struct Signature<R (*)(A...)> {
  using type = R(A...);
};
template <class R, class... A>
struct Signature<R (*)(A...) noexcept> {
  using type = R(A...);
};
template <class C, class R, class... A>
struct Signature<R (C::*)(A...)> {
  using type = R(A...);
};
template <class C, class R, class... A>
struct Signature<R (C::*)(A...) const> {
  using type = R(A...);
};
template <class C, class R, class... A>
struct Signature<R (C::*)(A...) noexcept> {
  using type = R(A...);
};
template <class C, class R, class... A>
struct Signature<R (C::*)(A...) const noexcept> {
  using type = R(A...);
};

/// A function, or an object with one call operator that is no template.
template <class F>
concept HasSignature =
    (std::is_pointer_v<F> && std::is_function_v<std::remove_pointer_t<F>> && requires {
      typename Signature<F>::type;
    }) || (std::is_class_v<F> && requires { typename Signature<decltype(&F::operator())>::type; });

namespace signature_detail {
// Without a type for what has no signature: overload resolution asks about strings, too.
template <class F>
struct Of {};
template <HasSignature F>
struct Of<F> {
  using type = typename Signature<F>::type;
};
template <HasSignature F>
  requires std::is_class_v<F>
struct Of<F> {
  using type = typename Signature<decltype(&F::operator())>::type;
};
template <class S>
struct ResultOf {};
template <class R, class... A>
struct ResultOf<R(A...)> {
  using type = std::remove_cvref_t<R>;
};

template <class T>
struct IsSmartPointer : std::false_type {};
template <class T>
struct IsSmartPointer<std::shared_ptr<T>> : std::true_type {};
template <class T>
struct IsSmartPointer<std::weak_ptr<T>> : std::true_type {};
template <class T, class D>
struct IsSmartPointer<std::unique_ptr<T, D>> : std::true_type {};
template <class T>
struct IsFuture : std::false_type {};
template <class T>
struct IsFuture<std::future<T>> : std::true_type {};
template <class T>
struct IsReferenceWrapper : std::false_type {};
template <class T>
struct IsReferenceWrapper<std::reference_wrapper<T>> : std::true_type {};
}  // namespace signature_detail

template <class F>
using signature_of = typename signature_detail::Of<F>::type;
template <class S>
using result_of = typename signature_detail::ResultOf<S>::type;

/// A pointer of any kind: equal addresses are not equal content, and content changes behind them.
template <class T>
inline constexpr bool pointer_like =
    std::is_pointer_v<T> || std::is_member_pointer_v<T> || std::is_null_pointer_v<T> ||
    signature_detail::IsSmartPointer<T>::value || signature_detail::IsReferenceWrapper<T>::value;

/// Something that looks at what somebody else owns.
template <class T>
inline constexpr bool view_like =
    pointer_like<T> || std::ranges::view<T> || std::input_or_output_iterator<T>;

namespace signature_detail {
template <class T>
struct IsInitializerList : std::false_type {};
template <class T>
struct IsInitializerList<std::initializer_list<T>> : std::true_type {};

// What T may hold, as far as it can be seen from outside.
template <class T>
struct Parts {
  using type = std::tuple<>;
};
template <class T>
struct Parts<std::optional<T>> {
  using type = std::tuple<T>;
};
template <class... T>
struct Parts<std::variant<T...>> {
  using type = std::tuple<T...>;
};
template <Range T>
struct Parts<T> {
  using type = std::tuple<decltype(*std::declval<const T&>().begin())>;
};
template <TupleLike T>
struct Parts<T> {
  template <std::size_t... I>
  static auto parts(std::index_sequence<I...>) -> std::tuple<std::tuple_element_t<I, T>...>;
  using type = decltype(parts(std::make_index_sequence<std::tuple_size_v<T>>{}));
};
}  // namespace signature_detail

/// True: nothing in a T looks at what somebody else owns. `result`: smart pointers own, and so may
/// a container of the user's, whatever its elements look at.
template <class T, bool result = false>
consteval bool owning() {
  if constexpr (result && signature_detail::IsSmartPointer<T>::value) {
    return true;
  } else if constexpr (view_like<T> || signature_detail::IsInitializerList<T>::value) {
    return false;
  } else if constexpr (result && Range<T> && !only_elements<T>) {
    return true;
  } else {
    return []<class... Part>(std::type_identity<std::tuple<Part...>>) {
      return (owning<std::remove_cvref_t<Part>, result>() && ...);
    }(std::type_identity<typename signature_detail::Parts<T>::type>{});
  }
}

/// How an argument of parameter type `P` is kept in a key, looked up, and handed to the body again.
template <class P>
struct Argument {
  using Stored = std::remove_cvref_t<P>;
  using View = const Stored&;
  static View view(const Stored& argument) noexcept { return argument; }
  static decltype(auto) give(const Stored& argument) {
    if constexpr (std::is_rvalue_reference_v<P>) {
      return Stored(argument);
    } else {
      return (argument);
    }
  }
};

template <class P>
  requires std::same_as<std::remove_cvref_t<P>, std::string_view>
struct Argument<P> {
  using Stored = std::string;
  using View = std::string_view;
  static View view(std::string_view argument) noexcept { return argument; }
  static std::string_view give(std::string_view argument) noexcept { return argument; }
};

/// Views of text in other characters than `char` are looked up by a copy.
template <class P>
  requires requires(std::remove_cvref_t<P> view) {
    []<class C, class T>(std::basic_string_view<C, T>) {}(view);
    requires !std::same_as<typename decltype(view)::value_type, char>;
    requires std::ranges::view<decltype(view)>;
  }
struct Argument<P> {
  using Text = std::remove_cvref_t<P>;
  using Stored = std::basic_string<typename Text::value_type, typename Text::traits_type>;
  using View = Stored;
  static View view(Text argument) { return Stored(argument); }
  static Text give(const Stored& argument) noexcept { return argument; }
};

/// C strings count by their text; null is a value of its own.
template <class P>
  requires std::same_as<std::remove_cvref_t<P>, const char*>
struct Argument<P> {
  using Stored = std::optional<std::string>;
  using View = std::optional<std::string>;
  static View view(const char* argument) {
    return argument != nullptr ? View(argument) : std::nullopt;
  }
  static const char* give(const Stored& argument) noexcept {
    return argument ? argument->c_str() : nullptr;
  }
};

template <class P>
  requires std::ranges::view<std::remove_cvref_t<P>> && requires(std::remove_cvref_t<P> view) {
    []<class T, std::size_t N>(std::span<T, N>) {}(view);
  }
struct Argument<P> {
  using Span = std::remove_cvref_t<P>;
  static_assert(std::is_const_v<typename Span::element_type>,
                "dcache: a std::span argument must be of const elements: what a function writes "
                "through its arguments cannot be remembered.");
  static_assert(!std::same_as<typename Span::value_type, bool>,
                "dcache: a std::span of bool cannot be given back from what keeps it: take a "
                "const std::vector<bool>&.");
  using Stored = std::vector<typename Span::value_type>;
  using View = Stored;
  static View view(Span argument) { return Stored(argument.begin(), argument.end()); }
  static Span give(const Stored& argument) { return Span(argument.data(), argument.size()); }
};

/// True: values of T have a hash by content.
template <class T>
consteval bool hashable() {
  if constexpr (pointer_like<T>) {
    return false;
  } else if constexpr (Text<T>) {
    return true;
  } else if constexpr (Range<T>) {
    return hashable<std::remove_cvref_t<decltype(*std::declval<const T&>().begin())>>() &&
           (only_elements<T> || std::equality_comparable<T>);
  } else if constexpr (TupleLike<T>) {
    return []<std::size_t... I>(std::index_sequence<I...>) {
      return (hashable<std::remove_cvref_t<std::tuple_element_t<I, T>>>() && ...);
    }(std::make_index_sequence<std::tuple_size_v<T>>{});
  } else {
    return requires(const T& value) {
      Hash<T>{}(value);
      { Same<T>{}(value, value) } -> std::convertible_to<bool>;
      { value == value } -> std::convertible_to<bool>;
    };
  }
}

/// `function` as what a memo holds. One that cannot be copied is shared.
template <class R, class... A, class F>
std::function<R(A...)> as_function(F function) {
  static_assert(std::is_invocable_r_v<R, F&, A...>,
                "dcache: the callable cannot be called with the arguments of the signature, or "
                "does not return its result.");
  if constexpr (std::copy_constructible<F>) {
    return std::function<R(A...)>(std::move(function));
  } else {
    return [shared = std::make_shared<F>(std::move(function))](A... arguments) -> R {
      return (*shared)(std::forward<A>(arguments)...);
    };
  }
}

template <class P>
consteval bool check_argument() {
  using T = std::remove_cvref_t<P>;
  static_assert(!std::is_lvalue_reference_v<P> || std::is_const_v<std::remove_reference_t<P>>,
                "dcache: a parameter is a non-const reference. What a function writes through its "
                "arguments cannot be remembered: take it by value or const reference.");
  static_assert(!pointer_like<T> || std::same_as<T, const char*>,
                "dcache: a parameter is a pointer. An address says nothing about the content it "
                "points at: take the content, by value or const reference.");
  if constexpr (!pointer_like<T>) {
    static_assert(owning<typename Argument<P>::Stored>(),
                  "dcache: a parameter holds a view or a pointer, and the cache would outlive what "
                  "it looks at: hold the content (std::string, std::vector) instead.");
    static_assert(hashable<typename Argument<P>::Stored>(),
                  "dcache: a parameter has no hash. Specialise std::hash for its type (and give it "
                  "operator==), or take what identifies it instead.");
    static_assert(std::copy_constructible<typename Argument<P>::Stored>,
                  "dcache: a parameter cannot be copied, so it cannot be kept in a key: take what "
                  "identifies it instead.");
  }
  return true;
}

template <class R>
consteval bool check_result() {
  static_assert(!std::is_void_v<R>,
                "dcache: the function returns nothing, so there is nothing to remember.");
  static_assert(!std::is_reference_v<R>,
                "dcache: the function returns a reference. The cache would outlive what it refers "
                "to: return a value, or a std::shared_ptr<const T>.");
  using T = std::remove_cvref_t<R>;
  static_assert(
      owning<T, true>(),
      "dcache: the function returns a view or a pointer, or something that holds one. The "
      "cache would outlive what it looks at: return the content (std::string, "
      "std::vector) or a std::shared_ptr<const T>.");
  static_assert(std::is_void_v<R> || std::is_reference_v<R> || std::is_move_constructible_v<T>,
                "dcache: the function returns what can be neither moved nor copied: return a "
                "std::shared_ptr<const T> to it.");
  static_assert(!signature_detail::IsFuture<T>::value,
                "dcache: the function returns a std::future, which can be read once: return its "
                "value, or a std::shared_future.");
  return true;
}

}  // namespace dcache::engine
