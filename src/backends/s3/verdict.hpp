// SPDX-License-Identifier: MIT
/// What a reply of S3 means. Pure.
/// Source: "Error responses" of the Amazon S3 API reference; what other servers say is in the
/// tests.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "backends/s3/http.hpp"

namespace dcache::s3 {

enum class Meaning : std::uint8_t {
  done,         ///< 2xx, and what came is whole.
  missing,      ///< There is no such object.
  exists,       ///< It is there already (a conditional write).
  again,        ///< Another attempt may do.
  elsewhere,    ///< The bucket is in `region`.
  skewed,       ///< Our clock is wrong: theirs is in `Date`.
  expired,      ///< The credentials have ended.
  unsupported,  ///< The server does not know what was asked for.
  denied,       ///< It does not let us; or the bucket is not there.
  failed,       ///< Anything else.
};

struct Verdict {
  Meaning meaning = Meaning::failed;
  /// For people, if it is not `done`, `missing` or `exists`: the server's code and message.
  std::string why = {};
  std::string region = {};
  bool reachable = false;     ///< The server is there, and well.
  bool in_s3s_words = false;  ///< It has an ETag, or a code: no other web server says so.
};

Verdict judge(const http::Reply& reply);

/// Whether what came is what the server says it has: its MD5 is the ETag, where that is one.
bool is_intact(const http::Reply& reply);

}  // namespace dcache::s3
