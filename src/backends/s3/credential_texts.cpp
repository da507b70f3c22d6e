// SPDX-License-Identifier: MIT
#include "backends/s3/credential_texts.hpp"

#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <map>

#include "dcache/error.hpp"

#include "wire/flat_json.hpp"
#include "wire/s3_xml.hpp"

namespace dcache::s3 {
namespace {

[[noreturn]] void refuse(const std::string& source, const std::string& why) {
  throw TierError("dcache: credentials from " + source + ": " + why);
}

Credentials checked(Credentials found, std::string_view expires, const std::string& source) {
  if (found.access_key.empty() || found.secret_key.empty()) {
    refuse(source, "the answer has no access key, or no secret key");
  }
  if (expires.empty()) return found;
  const auto moment = moment_of(expires);
  if (!moment) refuse(source, "the answer says in no known form when they end");
  found.expires = *moment;
  return found;
}

// `+02:00`, in seconds east; 0 for Z.
std::optional<int> offset_of(std::string_view text) {
  if (text == "Z" || text == "z") return 0;
  int hours = 0, minutes = 0;
  char sign = 0;
  const std::string held(text);
  if (text.size() != 6 || std::sscanf(held.c_str(), "%c%2d:%2d", &sign, &hours, &minutes) != 3) {
    return std::nullopt;
  }
  if (sign != '+' && sign != '-') return std::nullopt;
  return (sign == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
}

}  // namespace

std::optional<engine::WallTime> moment_of(std::string_view text) {
  using namespace std::chrono;
  int year = 0;
  std::array<unsigned, 5> part{};
  const std::string held(text.substr(0, 19));
  if (text.size() < 20 || std::sscanf(held.c_str(), "%4d-%2u-%2uT%2u:%2u:%2u", &year, &part[0],
                                      &part[1], &part[2], &part[3], &part[4]) != 6) {
    return std::nullopt;
  }
  text.remove_prefix(19);
  if (text.starts_with('.')) {
    text.remove_prefix(std::min(text.find_first_not_of("0123456789", 1), text.size()));
  }
  const auto offset = offset_of(text);
  const year_month_day date{std::chrono::year{year}, month{part[0]}, day{part[1]}};
  if (!offset || !date.ok()) return std::nullopt;
  const auto moment =
      sys_days(date) + hours(part[2]) + minutes(part[3]) + seconds(part[4]) - seconds(*offset);
  return engine::microseconds(moment.time_since_epoch());
}

Credentials credentials_in_json(std::string_view text, const std::string& source) {
  auto members = json::flat_object(text);
  if (!members) refuse(source, "the answer is no JSON object");
  const auto get = [&](const char* name) { return (*members)[name]; };
  const std::string code = get("Code");
  if (!code.empty() && code != "Success") refuse(source, "it says " + code);
  Credentials found{get("AccessKeyId"), get("SecretAccessKey"),
                    get("Token").empty() ? get("SessionToken") : get("Token")};
  return checked(found, get("Expiration"), source);
}

Credentials credentials_in_xml(std::string_view text, const std::string& source) {
  const auto get = [&](const char* name) { return xml::text_of(text, name).value_or(""); };
  if (const std::string code = get("Code"); !code.empty()) {
    refuse(source, code + ": " + get("Message"));
  }
  return checked({get("AccessKeyId"), get("SecretAccessKey"), get("SessionToken")},
                 get("Expiration"), source);
}

}  // namespace dcache::s3
