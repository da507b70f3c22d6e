// SPDX-License-Identifier: MIT
/// AWS Signature Version 4, as text: what of a request is signed, and how the signature is shown.
/// Hashes and keys are the caller's (`backends/s3/signer.hpp`).
/// Source: "Create a signed AWS API request" of the IAM user guide, with S3's rules: a path is
/// encoded once, never normalised.
///
/// Every function here is pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dcache::sigv4 {

/// RFC 3986: every byte but `A-Z a-z 0-9 - . _ ~` becomes %XX, with capital digits.
std::string encode(std::string_view text);
/// The same, with `/` as it is.
std::string encode_path(std::string_view path);

struct Field {
  std::string name;
  std::string value;
};
using Fields = std::vector<Field>;

/// `name=value&…`, encoded, and sorted as they are encoded. It is also what has to be sent.
std::string canonical_query(const Fields& query);

/// What is signed of a request.
struct Request {
  std::string_view method;
  /// Encoded, as it is sent; begins with `/`.
  std::string_view path;
  /// As `canonical_query` gives it.
  std::string_view query;
  /// All of them are signed, `host` among them. Names in any case and order; those that are there
  /// twice count as one, with a comma between the values.
  const Fields& headers;
  /// SHA-256 in hexadecimal, or `UNSIGNED-PAYLOAD`.
  std::string_view payload_hash;
};

struct Canonical {
  std::string text;
  std::string signed_headers;
};
Canonical canonical_request(const Request& request);

/// `20130524T000000Z`, which `x-amz-date` has to be; its first eight characters are the day.
std::string timestamp(std::int64_t unix_seconds);
/// `day/region/service/aws4_request`
std::string scope(std::string_view day, std::string_view region, std::string_view service);
/// `request_hash`: SHA-256 of the canonical request, in hexadecimal.
std::string string_to_sign(std::string_view timestamp, std::string_view scope,
                           std::string_view request_hash);
/// The value of the header. `signature`: in hexadecimal.
std::string authorization(std::string_view access_key, std::string_view scope,
                          std::string_view signed_headers, std::string_view signature);

}  // namespace dcache::sigv4
