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
/// Whether a setting of AWS's says `true`, in any case.
bool says_true(std::string_view text) noexcept;
/// Empty if it cannot be read, or has more than 1 MiB.
std::string text_of_file(const std::string& path);

/// The files that the environment names, else those in `~/.aws`. Reads them.
Profiles shared_profiles();
/// Of the options, else of the environment, else `default`.
std::string profile_name(const S3Options& options);

/// Of a region's name; it becomes part of a host.
bool is_region(std::string_view text) noexcept;

/// Without `/` around it.
std::string_view bare_prefix(std::string_view prefix) noexcept;
/// All throw ConfigError for what can never be one. An endpoint comes back without `/` at its
/// end and with its scheme in lower case.
void check_bucket(const std::string& bucket);
void check_region(const std::string& region);
void check_prefix(std::string_view prefix);
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

/// Where a request goes.
struct Place {
  std::string base;  ///< Scheme and host.
  std::string host;  ///< As libcurl says it: without the port that is the scheme's anyway.
  std::string path;  ///< Encoded.
  bool https = true;
};
/// REQUIRES: an endpoint that was checked.
Place place_at(std::string_view endpoint);
/// For an object, or the bucket if there is no key: in the path of an endpoint, in front of the
/// host of AWS (unless the bucket's name has what hosts have not, or dots, which no certificate
/// covers).
Place place_of(const Settings& settings, std::string_view region, std::string_view key);

/// `.com`, or what it is in that part of the world.
std::string aws_domain(std::string_view region);

}  // namespace dcache::s3
