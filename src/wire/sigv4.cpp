// SPDX-License-Identifier: MIT
#include "wire/sigv4.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <map>

namespace dcache::sigv4 {
namespace {

bool is_unreserved(char letter) noexcept {
  return (letter >= 'A' && letter <= 'Z') || (letter >= 'a' && letter <= 'z') ||
         (letter >= '0' && letter <= '9') || letter == '-' || letter == '.' || letter == '_' ||
         letter == '~';
}

std::string encode_but(std::string_view text, char kept) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char letter : text) {
    if (is_unreserved(letter) || letter == kept) {
      out += letter;
      continue;
    }
    const auto byte = static_cast<unsigned char>(letter);
    out += '%';
    out += digits[byte >> 4U];
    out += digits[byte & 15U];
  }
  return out;
}

bool is_blank(char letter) noexcept {
  return letter == ' ' || letter == '\t' || letter == '\r' || letter == '\n';
}

// Without blanks around it; one blank for several within.
std::string trimmed(std::string_view value) {
  std::string out;
  for (const char letter : value) {
    if (!is_blank(letter)) {
      out += letter;
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& letter : out) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter | 32);
  }
  return out;
}

}  // namespace

std::string encode(std::string_view text) { return encode_but(text, '-'); }

std::string encode_path(std::string_view path) { return encode_but(path, '/'); }

std::string canonical_query(const Fields& query) {
  std::vector<std::string> pairs;
  pairs.reserve(query.size());
  for (const Field& each : query) {
    // No encoded character sorts before '\1': names decide first, then values.
    pairs.push_back(encode(each.name) + '\1' + encode(each.value));
  }
  std::sort(pairs.begin(), pairs.end());
  std::string out;
  for (std::string& pair : pairs) {
    std::replace(pair.begin(), pair.end(), '\1', '=');
    if (!out.empty()) out += '&';
    out += pair;
  }
  return out;
}

Canonical canonical_request(const Request& request) {
  std::map<std::string, std::string> headers;
  for (const Field& each : request.headers) {
    const auto [at, added] = headers.try_emplace(lower(each.name), trimmed(each.value));
    if (!added) at->second += ',' + trimmed(each.value);
  }
  Canonical out;
  out.text.append(request.method).append("\n").append(request.path).append("\n");
  out.text.append(request.query).append("\n");
  for (const auto& [name, value] : headers) {
    out.text.append(name).append(":").append(value).append("\n");
    if (!out.signed_headers.empty()) out.signed_headers += ';';
    out.signed_headers += name;
  }
  out.text.append("\n").append(out.signed_headers).append("\n").append(request.payload_hash);
  return out;
}

std::string timestamp(std::int64_t unix_seconds) {
  using namespace std::chrono;
  const sys_seconds moment{seconds(unix_seconds)};
  const auto day = floor<days>(moment);
  const year_month_day date(day);
  const hh_mm_ss time(moment - day);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04d%02u%02uT%02d%02d%02dZ",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(time.hours().count()),
                static_cast<int>(time.minutes().count()), static_cast<int>(time.seconds().count()));
  return text.data();
}

std::string scope(std::string_view day, std::string_view region, std::string_view service) {
  std::string out(day);
  return out.append("/").append(region).append("/").append(service).append("/aws4_request");
}

std::string string_to_sign(std::string_view timestamp, std::string_view scope,
                           std::string_view request_hash) {
  std::string out = "AWS4-HMAC-SHA256\n";
  return out.append(timestamp).append("\n").append(scope).append("\n").append(request_hash);
}

std::string authorization(std::string_view access_key, std::string_view scope,
                          std::string_view signed_headers, std::string_view signature) {
  std::string out = "AWS4-HMAC-SHA256 Credential=";
  out.append(access_key).append("/").append(scope).append(", SignedHeaders=");
  return out.append(signed_headers).append(", Signature=").append(signature);
}

}  // namespace dcache::sigv4
