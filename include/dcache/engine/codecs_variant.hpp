// SPDX-License-Identifier: MIT
/// The codec of variants. Included by codecs_impl.hpp at its end.
#pragma once

#include "dcache/engine/codecs_impl.hpp"

namespace dcache {

namespace codec_detail {

/// What an encoded value looks like from outside: alternatives of a variant that look different
/// need nothing that tells them apart.
enum class Look : std::uint8_t { any, null, boolean, integer, real, text, list, tuple, map, set };

template <class T>
inline constexpr Look look = Look::any;
template <>
inline constexpr Look look<std::monostate> = Look::null;
template <>
inline constexpr Look look<bool> = Look::boolean;
template <std::integral T>
inline constexpr Look look<T> = Look::integer;
template <std::floating_point T>
inline constexpr Look look<T> = Look::real;
template <>
inline constexpr Look look<std::string> = Look::text;
template <class T, class A>
inline constexpr Look look<std::vector<T, A>> = Look::list;
template <class... T>
inline constexpr Look look<std::tuple<T...>> = Look::tuple;
template <class A, class B>
inline constexpr Look look<std::pair<A, B>> = Look::tuple;
template <class K, class V, class C, class A>
inline constexpr Look look<std::map<K, V, C, A>> = Look::map;
template <class T, class C, class A>
inline constexpr Look look<std::set<T, C, A>> = Look::set;

// Bytes may be text that was no UTF-8, so they look like it.
template <Byte T, class A>
inline constexpr Look look<std::vector<T, A>> = Look::text;

template <class... T>
consteval bool all_look_different() {
  constexpr std::array<Look, sizeof...(T)> looks = {look<T>...};
  for (std::size_t i = 0; i < looks.size(); ++i) {
    if (looks[i] == Look::any) return false;
    for (std::size_t j = 0; j < i; ++j) {
      if (looks[i] == looks[j]) return false;
    }
  }
  return true;
}

inline Look look_of(const engine::cbor::Head& head) noexcept {
  using engine::cbor::Major;
  switch (head.major) {
    case Major::natural:
    case Major::negative:
      return Look::integer;
    case Major::bytes:
    case Major::text:
      return Look::text;
    case Major::array:
      return Look::list;
    case Major::map:
      return Look::map;
    case Major::tag:
      if (head.value == engine::cbor::tuple_tag) return Look::tuple;
      return head.value == engine::cbor::set_tag ? Look::set : Look::any;
    case Major::simple:
      break;
  }
  if (head.is_null()) return Look::null;
  if (head.is_float()) return Look::real;
  return head.is_true() || head.is_false() ? Look::boolean : Look::any;
}

}  // namespace codec_detail

/// As its alternative, where each looks different from outside; else as (index, alternative).
template <Encodable... T>
struct Codec<std::variant<T...>> {
  static constexpr bool bare = codec_detail::all_look_different<T...>();
  using Variant = std::variant<T...>;

  static void encode(Encoder& out, const Variant& variant) {
    if constexpr (!bare) {
      out.tag(engine::cbor::tuple_tag);
      out.array(2);
      out.natural(variant.index());
    }
    std::visit([&](const auto& alternative) { out.write(alternative); }, variant);
  }
  static bool decode(Decoder& in, Variant& variant) {
    std::uint64_t index = sizeof...(T);
    if constexpr (bare) {
      const codec_detail::Look look = codec_detail::look_of(in.next());
      constexpr std::array<codec_detail::Look, sizeof...(T)> looks = {codec_detail::look<T>...};
      for (index = 0; index < looks.size() && looks[index] != look;) ++index;
    } else if (!in.tagged_array(engine::cbor::tuple_tag, 2) || !in.natural(index)) {
      return false;
    }
    return decode_alternative(in, variant, index, std::index_sequence_for<T...>{});
  }

 private:
  template <std::size_t... I>
  static bool decode_alternative(Decoder& in, Variant& variant, std::uint64_t index,
                                 std::index_sequence<I...>) {
    bool read = false;
    static_cast<void>(
        ((index == I && (read = in.read(variant.template emplace<I>()), true)) || ...));
    return read;
  }
};

}  // namespace dcache
