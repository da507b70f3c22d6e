// SPDX-License-Identifier: MIT
/// The part of AWS Signature Version 4 that needs hashes: `wire/sigv4.hpp` is the rest.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "dcache/engine/digest.hpp"
#include "dcache/engine/lock.hpp"

#include "backends/s3/credentials.hpp"
#include "wire/sigv4.hpp"

namespace dcache::s3 {

/// SHA-256, in hexadecimal.
std::string sha256_hex(std::string_view bytes);
/// MD5 as bytes, empty where this machine's OpenSSL has none (FIPS). S3 names content by it.
std::string md5(std::string_view bytes);
/// RFC 4648, with padding.
std::string base64(std::string_view bytes);

inline constexpr std::string_view unsigned_payload = "UNSIGNED-PAYLOAD";

/// Derives a key once a day, region and secret, and begins with it once: of the six hashes of a
/// signature one and a half are left. Thread-safe.
class Signer {
 public:
  explicit Signer(std::string service) : service_(std::move(service)) {}

  struct Question {
    std::string_view method;
    std::string_view path;   ///< Encoded.
    std::string_view query;  ///< Encoded and sorted.
    std::string_view payload_hash;
    std::string_view region;
    std::int64_t unix_seconds = 0;
  };
  /// Adds `x-amz-date`, `x-amz-content-sha256`, the session token where there is one, and
  /// `Authorization`, which covers all headers that are there by then. `host` has to be.
  void sign(const Question& question, const Credentials& credentials, sigv4::Fields& headers);
  /// The value of `Authorization` alone. `time`: as `x-amz-date` says it.
  std::string authorization(const sigv4::Canonical& canonical, const Credentials& credentials,
                            std::string_view time, std::string_view region);

 private:
  using Key = std::shared_ptr<const engine::Signer>;
  Key key(std::string_view day, std::string_view region, std::string_view secret);

  const std::string service_;
  engine::Lock lock_;
  // Of the last few days, regions and secrets; guarded by lock_.
  std::map<std::string, Key, std::less<>> keys_;
};

}  // namespace dcache::s3
