// SPDX-License-Identifier: MIT
/// The codecs of codec.hpp, which includes this file at its end.
#pragma once

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "dcache/codec.hpp"
#include "dcache/engine/aggregate.hpp"
#include "dcache/engine/codecs_time.hpp"

namespace dcache {

namespace codec_detail {

template <class T>
concept Byte = std::same_as<T, std::byte> || std::same_as<T, unsigned char>;

// Whether null may be one of its values, which `optional` then cannot use.
template <class T>
inline constexpr bool may_be_null = std::same_as<T, std::monostate>;
template <class T>
inline constexpr bool may_be_null<std::optional<T>> = true;
template <class T>
inline constexpr bool may_be_null<std::shared_ptr<T>> = true;
template <class T, class D>
inline constexpr bool may_be_null<std::unique_ptr<T, D>> = true;
template <class... T>
inline constexpr bool may_be_null<std::variant<T...>> = (may_be_null<T> || ...);

// Room for items that were announced: what has not been seen is not believed.
inline std::size_t room_for(std::size_t items, std::size_t item_size) noexcept {
  constexpr std::size_t believed = 1U << 16U;
  return std::min(items, believed / std::max<std::size_t>(item_size, 1));
}

// A value behind a pointer or in an optional: null, or itself; in a tuple of one where it may be
// null as well.
template <class T, class Held>
void encode_nullable(Encoder& out, const Held& held) {
  if (!held) return out.null();
  if constexpr (may_be_null<std::remove_const_t<T>>) {
    out.tag(engine::cbor::tuple_tag);
    out.array(1);
  }
  out.write(*held);
}
template <class T, class Make>
bool decode_nullable(Decoder& in, bool& is_null, Make&& make) {
  is_null = in.null_is_next();
  if (is_null) return in.null();
  if constexpr (may_be_null<std::remove_const_t<T>>) {
    if (!in.tagged_array(engine::cbor::tuple_tag, 1)) return false;
  }
  return in.read(make());
}

template <class Tuple>
void encode_tuple(Encoder& out, const Tuple& parts) {
  out.tag(engine::cbor::tuple_tag);
  out.array(std::tuple_size_v<Tuple>);
  std::apply([&](const auto&... part) { (out.write(part), ...); }, parts);
}
template <class Tuple>
bool decode_tuple(Decoder& in, Tuple& parts) {
  if (!in.tagged_array(engine::cbor::tuple_tag, std::tuple_size_v<Tuple>)) return false;
  return std::apply([&](auto&... part) { return (in.read(part) && ...); }, parts);
}

template <class List>
void encode_list(Encoder& out, const List& list) {
  out.array(list.size());
  for (const auto& item : list) out.write(static_cast<const typename List::value_type&>(item));
}

template <class Map>
struct MapCodec {
  static void encode(Encoder& out, const Map& map) {
    out.unordered(engine::cbor::Major::map, map, [&](const auto& pair) {
      out.write(pair.first);
      out.write(pair.second);
    });
  }
  static bool decode(Decoder& in, Map& map) {
    map.clear();
    std::size_t pairs = 0;
    if (!in.map(pairs)) return false;
    for (std::size_t i = 0; i < pairs; ++i) {
      typename Map::key_type key{};
      typename Map::mapped_type value{};
      if (!in.read(key) || !in.read(value)) return false;
      if (!map.emplace(std::move(key), std::move(value)).second) return in.fail();
    }
    return true;
  }
};

template <class Set>
struct SetCodec {
  static void encode(Encoder& out, const Set& set) {
    out.tag(engine::cbor::set_tag);
    out.unordered(engine::cbor::Major::array, set, [&](const auto& item) { out.write(item); });
  }
  static bool decode(Decoder& in, Set& set) {
    set.clear();
    std::size_t items = 0;
    if (!in.tag(engine::cbor::set_tag) || !in.array(items)) return false;
    for (std::size_t i = 0; i < items; ++i) {
      typename Set::value_type item{};
      if (!in.read(item)) return false;
      if (!set.insert(std::move(item)).second) return in.fail();
    }
    return true;
  }
};

}  // namespace codec_detail

template <>
struct Codec<std::monostate> {
  static void encode(Encoder& out, std::monostate) { out.null(); }
  static bool decode(Decoder& in, std::monostate&) { return in.null(); }
};

template <>
struct Codec<bool> {
  static void encode(Encoder& out, bool value) { out.boolean(value); }
  static bool decode(Decoder& in, bool& value) { return in.boolean(value); }
};

template <std::integral T>
struct Codec<T> {
  static_assert(sizeof(T) <= sizeof(std::uint64_t));
  static void encode(Encoder& out, T value) {
    if constexpr (std::is_signed_v<T>) {
      out.integer(value);
    } else {
      out.natural(value);
    }
  }
  static bool decode(Decoder& in, T& value) {
    std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t> wide = 0;
    const bool read = [&] {
      if constexpr (std::is_signed_v<T>)
        return in.integer(wide);
      else
        return in.natural(wide);
    }();
    value = static_cast<T>(wide);
    return read && static_cast<decltype(wide)>(value) == wide;
  }
};

/// As its number.
template <class T>
  requires std::is_enum_v<T>
struct Codec<T> {
  using Number = std::underlying_type_t<T>;
  static void encode(Encoder& out, T value) { out.write(static_cast<Number>(value)); }
  static bool decode(Decoder& in, T& value) {
    Number number{};
    if (!in.read(number)) return false;
    value = static_cast<T>(number);
    return true;
  }
};

template <std::floating_point T>
  requires(sizeof(T) <= sizeof(double))
struct Codec<T> {
  static void encode(Encoder& out, T value) { out.real(static_cast<double>(value)); }
  static bool decode(Decoder& in, T& value) {
    double wide = 0;
    if (!in.real(wide)) return false;
    value = static_cast<T>(wide);
    return wide != wide || static_cast<double>(value) == wide;
  }
};

template <>
struct Codec<std::string> {
  static void encode(Encoder& out, std::string_view text) { out.text(text); }
  static bool decode(Decoder& in, std::string& text) {
    std::string_view view;
    if (!in.text(view)) return false;
    text = view;
    return true;
  }
};

template <codec_detail::Byte T, class A>
struct Codec<std::vector<T, A>> {
  static void encode(Encoder& out, const std::vector<T, A>& bytes) {
    out.bytes({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
  static bool decode(Decoder& in, std::vector<T, A>& bytes) {
    std::string_view view;
    if (!in.bytes(view)) return false;
    const auto* const first = reinterpret_cast<const T*>(view.data());
    bytes.assign(first, first + view.size());
    return true;
  }
};

template <class T, class A>
  requires(Encodable<T> && !codec_detail::Byte<T>)
struct Codec<std::vector<T, A>> {
  static void encode(Encoder& out, const std::vector<T, A>& list) {
    codec_detail::encode_list(out, list);
  }
  static bool decode(Decoder& in, std::vector<T, A>& list) {
    list.clear();
    std::size_t items = 0;
    if (!in.array(items)) return false;
    list.reserve(codec_detail::room_for(items, sizeof(T)));
    for (std::size_t i = 0; i < items; ++i) {
      T item{};
      if (!in.read(item)) return false;
      list.push_back(std::move(item));
    }
    return true;
  }
};

template <class T, std::size_t N>
  requires Encodable<T>
struct Codec<std::array<T, N>> {
  static void encode(Encoder& out, const std::array<T, N>& list) {
    codec_detail::encode_list(out, list);
  }
  static bool decode(Decoder& in, std::array<T, N>& list) {
    std::size_t items = 0;
    if (!in.array(items) || items != N) return false;
    for (T& item : list) {
      if (!in.read(item)) return false;
    }
    return true;
  }
};

template <Encodable K, Encodable V, class C, class A>
struct Codec<std::map<K, V, C, A>> : codec_detail::MapCodec<std::map<K, V, C, A>> {};
template <Encodable K, Encodable V, class H, class E, class A>
struct Codec<std::unordered_map<K, V, H, E, A>>
    : codec_detail::MapCodec<std::unordered_map<K, V, H, E, A>> {};
template <Encodable T, class C, class A>
struct Codec<std::set<T, C, A>> : codec_detail::SetCodec<std::set<T, C, A>> {};
template <Encodable T, class H, class E, class A>
struct Codec<std::unordered_set<T, H, E, A>>
    : codec_detail::SetCodec<std::unordered_set<T, H, E, A>> {};

template <Encodable... T>
struct Codec<std::tuple<T...>> {
  static void encode(Encoder& out, const std::tuple<T...>& parts) {
    codec_detail::encode_tuple(out, parts);
  }
  static bool decode(Decoder& in, std::tuple<T...>& parts) {
    return codec_detail::decode_tuple(in, parts);
  }
};
template <Encodable A, Encodable B>
struct Codec<std::pair<A, B>> {
  static void encode(Encoder& out, const std::pair<A, B>& parts) {
    codec_detail::encode_tuple(out, parts);
  }
  static bool decode(Decoder& in, std::pair<A, B>& parts) {
    return codec_detail::decode_tuple(in, parts);
  }
};

template <Encodable T>
struct Codec<std::optional<T>> {
  static void encode(Encoder& out, const std::optional<T>& held) {
    codec_detail::encode_nullable<T>(out, held);
  }
  static bool decode(Decoder& in, std::optional<T>& held) {
    bool is_null = false;
    if (!codec_detail::decode_nullable<T>(in, is_null, [&]() -> T& { return held.emplace(); })) {
      return false;
    }
    if (is_null) held.reset();
    return true;
  }
};

template <class T>
  requires Encodable<std::remove_const_t<T>>
struct Codec<std::shared_ptr<T>> {
  static void encode(Encoder& out, const std::shared_ptr<T>& held) {
    codec_detail::encode_nullable<T>(out, held);
  }
  static bool decode(Decoder& in, std::shared_ptr<T>& held) {
    bool is_null = false;
    std::shared_ptr<std::remove_const_t<T>> made;
    const bool read = codec_detail::decode_nullable<T>(in, is_null, [&]() -> auto& {
      made = std::make_shared<std::remove_const_t<T>>();
      return *made;
    });
    held = std::move(made);
    return read;
  }
};
template <class T>
  requires Encodable<std::remove_const_t<T>>
struct Codec<std::unique_ptr<T>> {
  static void encode(Encoder& out, const std::unique_ptr<T>& held) {
    codec_detail::encode_nullable<T>(out, held);
  }
  static bool decode(Decoder& in, std::unique_ptr<T>& held) {
    bool is_null = false;
    std::unique_ptr<std::remove_const_t<T>> made;
    const bool read = codec_detail::decode_nullable<T>(in, is_null, [&]() -> auto& {
      made = std::make_unique<std::remove_const_t<T>>();
      return *made;
    });
    held = std::move(made);
    return read;
  }
};

/// As a tuple of its members.
template <engine::PlainAggregate T>
  requires(!requires { std::tuple_size<T>::value; })
struct Codec<T> {
  static constexpr bool by_members = true;
  static void encode(Encoder& out, const T& object) {
    codec_detail::encode_tuple(out, engine::members(object));
  }
  static bool decode(Decoder& in, T& object) {
    auto parts = engine::members(object);
    return codec_detail::decode_tuple(in, parts);
  }
};

}  // namespace dcache

#include "dcache/engine/codecs_variant.hpp"
