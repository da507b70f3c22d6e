// SPDX-License-Identifier: MIT
#include "backends/s3/settings.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <initializer_list>
#include <utility>

#include "dcache/error.hpp"

#include "wire/sigv4.hpp"

namespace dcache::s3 {
namespace {

constexpr std::streamsize file_max = 1 << 20;

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
    return std::isalnum(letter) != 0 || letter == '-' || letter == '.' || letter == '_';
  });
  if (!fine || bucket.size() > 255 || bucket == "." || bucket == "..") {
    throw ConfigError("dcache: the bucket of an S3 backend is \"" + bucket +
                      "\"; expected the name alone, of letters, digits, '-', '.' and '_'");
  }
}

// A login in it would end up in messages, and in the signed host.
std::string checked_endpoint(std::string endpoint) {
  while (endpoint.ends_with('/')) endpoint.pop_back();
  if (endpoint.empty()) return endpoint;
  const std::size_t scheme = endpoint.find("://");
  const bool known = endpoint.starts_with("https://") || endpoint.starts_with("http://");
  if (!known || scheme + 3 == endpoint.size() ||
      endpoint.find_first_of("?#@ \t\r\n") != std::string::npos) {
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
  out.prefix = first_of({options.prefix, variable("DCACHE_S3_PREFIX")});
  while (out.prefix.ends_with('/')) out.prefix.pop_back();
  if (!out.prefix.empty()) out.prefix += '/';
  out.endpoint =
      first_of({options.endpoint, variable("AWS_ENDPOINT_URL_S3"), variable("AWS_ENDPOINT_URL")});
  if (out.endpoint.empty() && variable("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") != "true") {
    out.endpoint = profile["endpoint_url"];
  }
  out.endpoint = checked_endpoint(out.endpoint);
  out.region = first_of({options.region, variable("AWS_REGION"), variable("AWS_DEFAULT_REGION")});
  if (out.region.empty()) out.region = first_of({profile["region"], "us-east-1"});
  out.ca_file = first_of({options.ca_file, variable("AWS_CA_BUNDLE")});
  return out;
}

std::string aws_domain(std::string_view region) {
  return region.starts_with("cn-") ? "amazonaws.com.cn" : "amazonaws.com";
}

Place place_of(const Settings& settings, std::string_view region, std::string_view key) {
  Place place;
  std::string base = settings.endpoint;
  bool in_path = !base.empty() || settings.bucket.find('.') != std::string::npos;
  if (base.empty()) {
    base = "https://" + (in_path ? "" : settings.bucket + '.') + "s3." + std::string(region) + '.' +
           aws_domain(region);
  }
  place.https = base.starts_with("https://");
  const std::size_t host = base.find("://") + 3;
  const std::size_t path = std::min(base.find('/', host), base.size());
  place.base = base.substr(0, path);
  place.host = base.substr(host, path - host);
  // As libcurl says it.
  const std::string usual = place.https ? ":443" : ":80";
  if (place.host.ends_with(usual)) place.host.resize(place.host.size() - usual.size());
  place.path = base.substr(path);
  if (in_path) place.path += '/' + sigv4::encode(settings.bucket);
  place.path += '/';
  if (!key.empty()) place.path += sigv4::encode_path(settings.prefix + std::string(key));
  return place;
}

}  // namespace dcache::s3
