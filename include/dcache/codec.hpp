// SPDX-License-Identifier: MIT
/// How C++ values become bytes in far tiers, and canonical bytes in keys.
///
/// `Codec<T>` covers numbers, text, bytes, enumerations, the standard containers, `optional`,
/// `variant`, `pair`, `tuple`, `chrono` durations, dates and moments, smart pointers to what it
/// covers, and plain aggregates of at most 16 members. It is the point users extend:
///
///   template <>
///   struct dcache::Codec<Money> {
///     static void encode(Encoder& out, const Money& money) {
///       out.write(std::tuple(money.cents(), money.currency()));
///     }
///     static bool decode(Decoder& in, Money& money) {
///       std::tuple<std::int64_t, std::string> parts;
///       if (!in.read(parts)) return false;
///       money = Money(std::get<0>(parts), std::get<1>(parts));
///       return true;
///     }
///   };
///
/// The bytes are CBOR (RFC 8949; docs/formats.md), the same as Python's for the same content: a
/// vector is a list, a tuple, pair or aggregate a tuple, a map a dict, an optional its value or
/// None. Decoding believes nothing: what does not fit `T` exactly is refused, without an exception.
#pragma once

#include <array>
#include <bit>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "dcache/engine/cbor.hpp"
#include "dcache/engine/cbor_reader.hpp"
#include "dcache/engine/cbor_tags.hpp"

namespace dcache {

/// `static void encode(Encoder&, const T&)` and `static bool decode(Decoder&, T&)`.
template <class T>
struct Codec;

/// Writes values one after the other. Not thread-safe for one string.
class Encoder {
 public:
  /// A key has one form for one content: floats as short as they can be, maps and sets in the order
  /// of their bytes.
  enum class Form : std::uint8_t { value, key };

  explicit Encoder(std::string& out, Form form = Form::value) noexcept : out_(out), form_(form) {}

  template <class T>
  void write(const T& value) {
    Codec<T>::encode(*this, value);
  }

  void null() { engine::cbor::append_null(out_); }
  void boolean(bool value) { engine::cbor::append_bool(out_, value); }
  void integer(std::int64_t value) { engine::cbor::append_int(out_, value); }
  void natural(std::uint64_t value) {
    engine::cbor::append_head(out_, engine::cbor::Major::natural, value);
  }
  void real(double value);
  /// As text where it is UTF-8, else as bytes.
  void text(std::string_view text);
  void bytes(std::string_view bytes) { engine::cbor::append_bytes(out_, bytes); }
  /// The head of an array of so many items, which are written after it.
  void array(std::size_t items) {
    engine::cbor::append_head(out_, engine::cbor::Major::array, items);
  }
  void tag(std::uint64_t tag) { engine::cbor::append_tag(out_, tag); }
  /// A map, or an array of what has no order: `write(item)` writes each item of `range`.
  template <class Range, class Write>
  void unordered(engine::cbor::Major major, const Range& range, Write&& write) {
    engine::cbor::append_head(out_, major, range.size());
    std::vector<std::size_t> ends(form_ == Form::key ? 1 : 0, out_.size());
    for (const auto& item : range) {
      write(item);
      if (form_ == Form::key) ends.push_back(out_.size());
    }
    if (form_ == Form::key) engine::cbor::sort_items(out_, ends);
  }

 private:
  std::string& out_;
  const Form form_;
};

/// Reads values one after the other. Each method is false for anything but what it names; the
/// decoder has failed for good then. Looks at bytes that somebody else owns.
class Decoder {
 public:
  explicit Decoder(std::string_view bytes) noexcept : reader_(bytes) {}

  template <class T>
  bool read(T& value) {
    if (depth_ == depth_max) return fail();
    ++depth_;
    const bool fits = Codec<T>::decode(*this, value);
    --depth_;
    return fits || fail();
  }

  bool null() noexcept;
  bool boolean(bool& value) noexcept;
  bool integer(std::int64_t& value) noexcept;
  bool natural(std::uint64_t& value) noexcept;
  bool real(double& value) noexcept;
  bool text(std::string_view& text) noexcept;
  bool bytes(std::string_view& bytes) noexcept;
  bool array(std::size_t& items) noexcept { return count(engine::cbor::Major::array, items); }
  bool map(std::size_t& pairs) noexcept { return count(engine::cbor::Major::map, pairs); }
  bool tag(std::uint64_t tag) noexcept;
  /// A tag, an array, and exactly so many items.
  bool tagged_array(std::uint64_t expected_tag, std::size_t expected_items) noexcept;

  /// Whether null is next; reads nothing.
  bool null_is_next() const noexcept;
  engine::cbor::Head next() const noexcept;

  /// Whether everything was read and nothing is left over.
  bool finish() const noexcept { return !reader_.failed() && reader_.at_end(); }
  bool fail() noexcept { return reader_.fail(); }

  /// Values that are nested deeper are refused.
  static constexpr int depth_max = 1000;

 private:
  bool count(engine::cbor::Major major, std::size_t& items) noexcept;

  engine::cbor::Reader reader_;
  int depth_ = 0;
};

/// True: there is a `Codec<T>`, for all that is in a T as well.
template <class T>
concept Encodable = requires(Encoder& out, Decoder& in, const T& value, T& place) {
  Codec<T>::encode(out, value);
  { Codec<T>::decode(in, place) } -> std::same_as<bool>;
};

/// The bytes of a value.
template <Encodable T>
std::string encode(const T& value) {
  std::string out;
  Encoder(out).write(value);
  return out;
}

/// The value that these bytes are, or nothing.
template <Encodable T>
  requires std::default_initializable<T>
std::optional<T> decode(std::string_view bytes) {
  T value{};
  Decoder in(bytes);
  if (!in.read(value) || !in.finish()) return std::nullopt;
  return value;
}

}  // namespace dcache

#include "dcache/engine/codecs_impl.hpp"
