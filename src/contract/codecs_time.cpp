// SPDX-License-Identifier: MIT
#include "dcache/engine/codecs_time.hpp"

#include <array>
#include <cstdio>
#include <string_view>

namespace dcache::codec_detail {
namespace {

namespace cbor = engine::cbor;
using std::chrono::days;
using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr std::int64_t second = 1'000'000'000;
constexpr std::int64_t day = 86'400 * second;
// What `year_month_day` and the text for it can hold.
constexpr std::int64_t days_max = 10'000'000;

std::size_t write_date(std::span<char> text, std::int64_t since) noexcept {
  const year_month_day date{sys_days(days(since))};
  const int size =
      std::snprintf(text.data(), text.size(), "%04d-%02u-%02u", static_cast<int>(date.year()),
                    static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
  return static_cast<std::size_t>(size);
}

// Reads the digits of a fixed form; says at the end whether it was that form.
class Text {
 public:
  explicit Text(std::string_view text) noexcept : left_(text) {}

  std::int64_t number(std::size_t width) noexcept {
    std::int64_t value = 0;
    if (left_.size() < width) return fail();
    for (const char digit : left_.substr(0, width)) {
      if (digit < '0' || digit > '9') return fail();
      value = 10 * value + (digit - '0');
    }
    left_.remove_prefix(width);
    return value;
  }
  void sign(char expected) noexcept {
    if (left_.empty() || left_.front() != expected) {
      fail();
    } else {
      left_.remove_prefix(1);
    }
  }
  std::string_view left() const noexcept { return left_; }
  bool complete() const noexcept { return fine_ && left_.empty(); }
  std::int64_t fail() noexcept {
    fine_ = false;
    return 0;
  }
  bool fine() const noexcept { return fine_; }

  std::int64_t date() noexcept {
    const auto year = static_cast<int>(number(4));
    sign('-');
    const auto month = static_cast<unsigned>(number(2));
    sign('-');
    const auto day_of_month = static_cast<unsigned>(number(2));
    const year_month_day date{std::chrono::year(year), std::chrono::month(month),
                              std::chrono::day(day_of_month)};
    if (!fine_ || !date.ok()) return fail();
    return sys_days(date).time_since_epoch().count();
  }
  std::int64_t time() noexcept {
    const std::int64_t hours = number(2);
    sign(':');
    const std::int64_t minutes = number(2);
    sign(':');
    const std::int64_t seconds = number(2);
    std::int64_t nanoseconds = 0;
    if (!left_.empty()) {
      sign('.');
      const std::size_t digits = left_.size();
      nanoseconds = digits == 6 ? number(6) * 1000 : digits == 9 ? number(9) : fail();
    }
    if (hours > 23 || minutes > 59 || seconds > 59) return fail();
    return ((hours * 60 + minutes) * 60 + seconds) * second + nanoseconds;
  }

 private:
  std::string_view left_;
  bool fine_ = true;
};

// As the encoder of Python writes `timezone.utc`.
void encode_utc(Encoder& out) {
  out.array(2);
  out.array(3);
  for (int i = 0; i < 3; ++i) out.integer(0);
  out.text("UTC");
}
bool decode_utc(Decoder& in) {
  std::size_t items = 0;
  if (!in.array(items) || items != 2 || !in.array(items) || items != 3) return false;
  for (int i = 0; i < 3; ++i) {
    std::int64_t number = 0;
    if (!in.integer(number) || number != 0) return false;
  }
  std::string_view name;
  return in.text(name);  // Whatever it is called there.
}

bool in_calendar(std::int64_t since) noexcept { return since >= -days_max && since <= days_max; }

}  // namespace

void encode_span(Encoder& out, const Split& span) {
  const std::int64_t below = span.nanoseconds % 1000;
  out.tag(cbor::timedelta_tag);
  out.array(below == 0 ? 3 : 4);
  out.integer(span.days);
  out.integer(span.nanoseconds / second);
  out.integer(span.nanoseconds % second / 1000);
  if (below != 0) out.integer(below);
}

bool decode_span(Decoder& in, Split& span) {
  std::size_t items = 0;
  std::int64_t seconds = 0;
  std::int64_t microseconds = 0;
  std::int64_t below = 0;
  if (!in.tag(cbor::timedelta_tag) || !in.array(items) || items < 3 || items > 4) return false;
  if (!in.integer(span.days) || !in.integer(seconds) || !in.integer(microseconds)) return false;
  if (items == 4 && !in.integer(below)) return false;
  if (seconds < 0 || seconds >= 86'400 || microseconds < 0 || microseconds >= 1'000'000 ||
      below < 0 || below >= 1000) {
    return false;
  }
  span.nanoseconds = seconds * second + microseconds * 1000 + below;
  return true;
}

// Outside of the years that have four digits there is no text: a span says it.
void encode_date(Encoder& out, std::int64_t since) {
  constexpr std::int64_t first = -719'162;  // 0001-01-01, Python's first day, and its last.
  constexpr std::int64_t last = 2'932'896;
  out.tag(cbor::date_tag);
  if (since < first || since > last) return out.integer(since);
  std::array<char, 32> text;
  out.text({text.data(), write_date(text, since)});
}

bool decode_date(Decoder& in, std::int64_t& since) {
  if (!in.tag(cbor::date_tag)) return false;
  if (in.next().major <= cbor::Major::negative) return in.integer(since) && in_calendar(since);
  std::string_view view;
  if (!in.text(view)) return false;
  Text text(view);
  since = text.date();
  return text.complete();
}

void encode_moment(Encoder& out, const Split& since) {
  out.tag(cbor::datetime_tag);
  out.array(3);
  std::array<char, 64> text;
  std::size_t size = 0;
  if (in_calendar(since.days)) size = write_date(text, since.days);
  if (size != 10) {  // No date of four digits: days, and the time after them.
    out.integer(since.days);
    out.integer(since.nanoseconds);
    return out.null();
  }
  const std::int64_t seconds = since.nanoseconds / second;
  const auto part = [&](const char* format, auto... parts) {
    size += static_cast<std::size_t>(
        std::snprintf(text.data() + size, text.size() - size, format, parts...));
  };
  part("T%02d:%02d:%02d", static_cast<int>(seconds / 3600), static_cast<int>(seconds / 60 % 60),
       static_cast<int>(seconds % 60));
  const std::int64_t below = since.nanoseconds % second;
  if (below % 1000 != 0) {
    part(".%09d", static_cast<int>(below));
  } else if (below != 0) {
    part(".%06d", static_cast<int>(below / 1000));
  }
  out.text({text.data(), size});
  out.integer(0);
  encode_utc(out);
}

bool decode_moment(Decoder& in, Split& since) {
  if (!in.tagged_array(cbor::datetime_tag, 3)) return false;
  if (in.next().major <= cbor::Major::negative) {
    return in.integer(since.days) && in.integer(since.nanoseconds) && in.null() &&
           since.nanoseconds >= 0 && since.nanoseconds < day;
  }
  std::string_view view;
  std::int64_t fold = 0;
  if (!in.text(view) || !in.integer(fold) || !decode_utc(in)) return false;
  Text text(view);
  since.days = text.date();
  text.sign('T');
  since.nanoseconds = text.time();
  return text.complete();
}

}  // namespace dcache::codec_detail
