// SPDX-License-Identifier: MIT
/// The codecs of `std::chrono`, as Python's `timedelta`, `date` and `datetime` in UTC are written.
///
/// What is finer than a microsecond, which Python does not know, is written after it. Included by
/// codecs_impl.hpp.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <ratio>
#include <type_traits>

#include "dcache/codec.hpp"

namespace dcache {

namespace codec_detail {
/// A time in whole days and the nanoseconds after them, 0 to 86'400 * 10^9 - 1.
struct Split {
  std::int64_t days = 0;
  std::int64_t nanoseconds = 0;
};

void encode_span(Encoder& out, const Split& span);
bool decode_span(Decoder& in, Split& span);
/// A date of the proleptic Gregorian calendar; `days` since 1970-01-01.
void encode_date(Encoder& out, std::int64_t days);
bool decode_date(Decoder& in, std::int64_t& days);
/// A moment in UTC, since 1970-01-01.
void encode_moment(Encoder& out, const Split& since);
bool decode_moment(Decoder& in, Split& since);

template <class D>
inline constexpr bool is_whole_duration = false;
template <std::integral Rep, class Period>
inline constexpr bool is_whole_duration<std::chrono::duration<Rep, Period>> =
    std::ratio_divide<Period, std::nano>::den == 1;

template <class D>
Split split(D duration) {
  const auto days = std::chrono::floor<std::chrono::days>(duration);
  return {days.count(),
          std::chrono::duration_cast<std::chrono::nanoseconds>(duration - days).count()};
}
/// False: a `D` cannot hold it exactly.
template <class D>
bool join(const Split& parts, D& duration) {
  // In floating point first: what is far out of range must not overflow on the way.
  const double estimate = static_cast<double>(parts.days) * 86'400 /
                          (static_cast<double>(D::period::num) / D::period::den);
  constexpr double most = 9.2e18;
  using Rep = typename D::rep;
  if (estimate > std::min<double>(most, static_cast<double>(std::numeric_limits<Rep>::max())) ||
      estimate < std::max<double>(-most, static_cast<double>(std::numeric_limits<Rep>::min()))) {
    return false;
  }
  duration = std::chrono::duration_cast<D>(std::chrono::days(parts.days)) +
             std::chrono::duration_cast<D>(std::chrono::nanoseconds(parts.nanoseconds));
  const Split back = split(duration);
  return back.days == parts.days && back.nanoseconds == parts.nanoseconds;
}
}  // namespace codec_detail

template <class Rep, class Period>
  requires codec_detail::is_whole_duration<std::chrono::duration<Rep, Period>>
struct Codec<std::chrono::duration<Rep, Period>> {
  using Duration = std::chrono::duration<Rep, Period>;
  static void encode(Encoder& out, Duration duration) {
    codec_detail::encode_span(out, codec_detail::split(duration));
  }
  static bool decode(Decoder& in, Duration& duration) {
    codec_detail::Split parts;
    return codec_detail::decode_span(in, parts) && codec_detail::join(parts, duration);
  }
};

template <class D>
  requires codec_detail::is_whole_duration<D>
struct Codec<std::chrono::sys_time<D>> {
  using Moment = std::chrono::sys_time<D>;
  static void encode(Encoder& out, Moment moment) {
    codec_detail::encode_moment(out, codec_detail::split(moment.time_since_epoch()));
  }
  static bool decode(Decoder& in, Moment& moment) {
    codec_detail::Split parts;
    D since{};
    if (!codec_detail::decode_moment(in, parts) || !codec_detail::join(parts, since)) return false;
    moment = Moment(since);
    return true;
  }
};

template <>
struct Codec<std::chrono::sys_days> {
  static void encode(Encoder& out, std::chrono::sys_days day) {
    codec_detail::encode_date(out, day.time_since_epoch().count());
  }
  static bool decode(Decoder& in, std::chrono::sys_days& day) {
    std::int64_t days = 0;
    if (!codec_detail::decode_date(in, days)) return false;
    day = std::chrono::sys_days(std::chrono::days(days));
    return true;
  }
};

/// REQUIRES of what is written: `date.ok()`; another one is written as null and read back as none.
template <>
struct Codec<std::chrono::year_month_day> {
  static void encode(Encoder& out, std::chrono::year_month_day date) {
    if (!date.ok()) return out.null();
    out.write(std::chrono::sys_days(date));
  }
  static bool decode(Decoder& in, std::chrono::year_month_day& date) {
    std::chrono::sys_days day;
    if (!in.read(day)) return false;
    date = day;
    return true;
  }
};

}  // namespace dcache
