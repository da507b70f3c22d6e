// SPDX-License-Identifier: MIT
/// Where a bucket is and what is asked there, once options, environment and files are put together.
#pragma once

#include <string>
#include <string_view>

#include "dcache/backends/s3.hpp"

#include "backends/s3/profiles.hpp"

namespace dcache::s3 {

/// A variable of the environment; empty if it is not set.
std::string variable(const char* name);
/// Empty if it cannot be read, or has more than 1 MiB.
std::string text_of_file(const std::string& path);

/// The files that the environment names, else those in `~/.aws`. Reads them.
Profiles shared_profiles();
/// Of the options, else of the environment, else `default`.
std::string profile_name(const S3Options& options);

/// Both throw ConfigError for what can never be one. An endpoint comes back without `/` at its end.
void check_bucket(const std::string& bucket);
std::string checked_endpoint(std::string endpoint);

struct Settings {
  std::string bucket;
  std::string prefix;  ///< Empty, or with a `/` at its end.
  std::string region;
  std::string endpoint;  ///< Scheme, host, port and path, without a `/` at its end. Empty: AWS.
  std::string ca_file;
};

/// Reads the environment, and the shared files where that leaves something open. Throws ConfigError
/// for a bucket or an endpoint that can never be one, and where there is no bucket.
Settings resolve(const S3Options& options);

/// Where a request for an object goes: in the path of an endpoint, in front of the host of AWS
/// (unless the bucket's name has dots: no certificate covers those).
struct Place {
  std::string base;  ///< Scheme and host.
  std::string host;
  std::string path;  ///< Encoded; of the object, or of the bucket if there is no key.
  bool https = true;
};
Place place_of(const Settings& settings, std::string_view region, std::string_view key);

/// `.com`, or what it is in that part of the world.
std::string aws_domain(std::string_view region);

}  // namespace dcache::s3
