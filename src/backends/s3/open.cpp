// SPDX-License-Identifier: MIT
#include "backends/s3/open.hpp"

#include <algorithm>
#include <utility>

#include "dcache/backends/s3.hpp"
#include "dcache/error.hpp"

namespace dcache::s3 {

std::shared_ptr<engine::Backend> open_url(engine::Url url) {
  if (!url.port.empty()) {
    throw ConfigError("dcache: " + url.text() +
                      " has a port; expected s3://bucket/prefix, and the address of a server as "
                      "?endpoint=https://store.example:9000");
  }
  if (!url.whole().starts_with("s3://") && !url.path.empty()) {
    throw ConfigError("dcache: " + url.text() +
                      " has no bucket; expected two slashes and a bucket: s3://bucket/prefix");
  }
  S3Options options;
  options.bucket = url.host;
  options.prefix = url.path.substr(std::min(url.path.find_first_not_of('/'), url.path.size()));
  options.access_key = url.user;
  options.secret_key = url.password;
  options.session_token = url.take("session_token", "");
  options.region = url.take("region", "");
  options.endpoint = url.take("endpoint", "");
  options.profile = url.take("profile", "");
  options.anonymous = url.take_flag("anonymous", options.anonymous);
  options.ca_file = url.take("ca_file", "");
  options.expiry_tags = url.take_flag("expiry_tags", options.expiry_tags);
  options.max_bytes = url.take_bytes("max_bytes", options.max_bytes);
  options.lease = url.take_duration("lease", options.lease);
  options.timeout = url.take_duration("timeout", options.timeout);
  options.connect_timeout = url.take_duration("connect_timeout", options.connect_timeout);
  url.refuse_others(
      "region, endpoint, session_token, profile, anonymous, ca_file, expiry_tags, lease, "
      "max_bytes, timeout, connect_timeout");
  return std::make_shared<S3Backend>(std::move(options));
}

}  // namespace dcache::s3
