// SPDX-License-Identifier: MIT
#include "backends/s3/settings.hpp"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <initializer_list>
#include <memory>
#include <utility>

#include <curl/curl.h>

#include "dcache/error.hpp"

#include "wire/sigv4.hpp"

namespace dcache::s3 {
namespace {

constexpr std::streamsize file_max = 1 << 20;
// Keys of S3 have 1,024 bytes at most, ours 250.
constexpr std::size_t prefix_max = 1024 - 251;

bool is_control(unsigned char letter) noexcept { return letter < ' ' || letter == 0x7f; }

bool is_plain(unsigned char letter) noexcept { return std::isalnum(letter) != 0 || letter == '-'; }

std::string first_of(std::initializer_list<std::string> texts) {
  const auto* const found =
      std::find_if(texts.begin(), texts.end(), [](const auto& each) { return !each.empty(); });
  return found == texts.end() ? std::string() : *found;
}

std::string file_of(const char* named_by, const char* otherwise) {
  std::string path = variable(named_by);
  if (path.empty()) path = std::string("~/.aws/") + otherwise;
  return path.starts_with("~/") ? variable("HOME") + path.substr(1) : path;
}

// What is in the profile, if anything asks for it.
class Lazy {
 public:
  explicit Lazy(std::string name) : name_(std::move(name)) {}

  std::string operator[](std::string_view setting) {
    if (!read_) {
      read_ = true;
      const Profiles profiles = shared_profiles();
      if (const Profile* const found = profiles.find(name_)) profile_ = *found;
    }
    const auto found = profile_.find(setting);
    return found == profile_.end() ? std::string() : found->second;
  }

 private:
  const std::string name_;
  bool read_ = false;
  Profile profile_;
};

}  // namespace

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool says_true(std::string_view text) noexcept {
  constexpr std::string_view word = "true";
  return std::equal(text.begin(), text.end(), word.begin(), word.end(),
                    [](char one, char other) { return (one | 32) == other; });
}

std::string text_of_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(file_max + 1, '\0');
  file.read(text.data(), file_max + 1);
  const std::streamsize size = file.gcount();
  text.resize(static_cast<std::size_t>(size > file_max ? 0 : size));
  return text;
}

Profiles shared_profiles() {
  return {text_of_file(file_of("AWS_CONFIG_FILE", "config")),
          text_of_file(file_of("AWS_SHARED_CREDENTIALS_FILE", "credentials"))};
}

std::string profile_name(const S3Options& options) {
  return first_of({options.profile, variable("AWS_PROFILE"), "default"});
}

void check_bucket(const std::string& bucket) {
  if (bucket.empty()) {
    throw ConfigError(
        "dcache: an S3 backend without a bucket: neither bucket= nor DCACHE_S3_BUCKET says one");
  }
  const bool fine = std::all_of(bucket.begin(), bucket.end(), [](unsigned char letter) {
    return is_plain(letter) || letter == '.' || letter == '_';
  });
  if (!fine || bucket.size() > 255 || bucket == "." || bucket == "..") {
    throw ConfigError("dcache: the bucket of an S3 backend is \"" + bucket +
                      "\"; expected the name alone, of letters, digits, '-', '.' and '_'");
  }
}

bool is_region(std::string_view text) noexcept {
  return !text.empty() && text.size() <= 64 &&
         std::all_of(text.begin(), text.end(), [](unsigned char letter) {
           return is_plain(letter) || letter == '.' || letter == '_';
         });
}

void check_region(const std::string& region) {
  if (is_region(region)) return;
  throw ConfigError("dcache: the region of an S3 backend is \"" + region +
                    "\"; expected a name such as eu-west-1");
}

std::string_view bare_prefix(std::string_view prefix) noexcept {
  while (prefix.starts_with('/')) prefix.remove_prefix(1);
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  return prefix;
}

void check_prefix(std::string_view prefix) {
  if (std::any_of(prefix.begin(), prefix.end(), is_control)) {
    throw ConfigError("dcache: the prefix of an S3 backend has a control character in it");
  }
  if (prefix.size() <= prefix_max) return;
  throw ConfigError("dcache: the prefix of an S3 backend has " + std::to_string(prefix.size()) +
                    " bytes; expected at most " + std::to_string(prefix_max));
}

// A login in it would end up in messages, and in the signed host.
std::string checked_endpoint(std::string endpoint) {
  while (endpoint.ends_with('/')) endpoint.pop_back();
  if (endpoint.empty()) return endpoint;
  const auto scheme = static_cast<std::ptrdiff_t>(std::min(endpoint.find("://"), endpoint.size()));
  std::transform(endpoint.begin(), endpoint.begin() + scheme, endpoint.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  const bool known = endpoint.starts_with("https://") || endpoint.starts_with("http://");
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parts(curl_url(), curl_url_cleanup);
  const bool has_host = endpoint.find(":///") == std::string::npos;  // libcurl takes the path then.
  if (!known || !has_host || endpoint.find_first_of("?#@ ") != std::string::npos ||
      std::any_of(endpoint.begin(), endpoint.end(), is_control) ||
      curl_url_set(parts.get(), CURLUPART_URL, endpoint.c_str(), 0) != CURLUE_OK) {
    throw ConfigError(
        "dcache: the endpoint of an S3 backend is no address; expected one such as "
        "https://store.example:9000, without a login (access_key and secret_key are apart)");
  }
  return endpoint;
}

Settings resolve(const S3Options& options) {
  Lazy profile(profile_name(options));
  Settings out;
  out.bucket = first_of({options.bucket, variable("DCACHE_S3_BUCKET")});
  check_bucket(out.bucket);
  out.prefix = bare_prefix(first_of({options.prefix, variable("DCACHE_S3_PREFIX")}));
  check_prefix(out.prefix);
  if (!out.prefix.empty()) out.prefix += '/';
  out.endpoint = options.endpoint;
  if (out.endpoint.empty() && !says_true(variable("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"))) {
    out.endpoint = first_of({variable("AWS_ENDPOINT_URL_S3"), variable("AWS_ENDPOINT_URL")});
    if (out.endpoint.empty()) out.endpoint = profile["endpoint_url"];
  }
  out.endpoint = checked_endpoint(out.endpoint);
  out.region = first_of({options.region, variable("AWS_REGION"), variable("AWS_DEFAULT_REGION")});
  if (out.region.empty()) out.region = first_of({profile["region"], "us-east-1"});
  check_region(out.region);
  out.ca_file = first_of({options.ca_file, variable("AWS_CA_BUNDLE")});
  return out;
}

std::string aws_domain(std::string_view region) {
  return region.starts_with("cn-") ? "amazonaws.com.cn" : "amazonaws.com";
}

Place place_at(std::string_view endpoint) {
  const bool https = endpoint.starts_with("https://");
  const std::size_t begin = endpoint.find("://") + 3;
  const std::size_t path = std::min(endpoint.find('/', begin), endpoint.size());
  std::string_view host = endpoint.substr(begin, path - begin);
  const std::string_view usual = https ? ":443" : ":80";
  if (host.ends_with(usual)) host.remove_suffix(usual.size());
  return {std::string(endpoint.substr(0, path)), std::string(host),
          std::string(endpoint.substr(path)), https};
}

Place place_of(const Settings& settings, std::string_view region, std::string_view key) {
  std::string base = settings.endpoint;
  const bool is_label = std::all_of(
      settings.bucket.begin(), settings.bucket.end(),
      [](unsigned char letter) { return is_plain(letter) && std::isupper(letter) == 0; });
  const bool in_path = !base.empty() || !is_label;
  if (base.empty()) {
    base = "https://" + (in_path ? "" : settings.bucket + '.') + "s3." + std::string(region) + '.' +
           aws_domain(region);
  }
  Place place = place_at(base);
  if (in_path) place.path += '/' + sigv4::encode(settings.bucket);
  place.path += '/';
  if (!key.empty()) place.path += sigv4::encode_path(settings.prefix + std::string(key));
  return place;
}

}  // namespace dcache::s3
