// SPDX-License-Identifier: MIT
/// Who asks: keys of AWS, and until when they hold.
#pragma once

#include <string>

#include "dcache/engine/record.hpp"

namespace dcache::s3 {

struct Credentials {
  std::string access_key;
  std::string secret_key;
  std::string session_token = {};             ///< Of keys for a time.
  engine::WallTime expires = engine::no_end;  ///< By the clock of this machine.
  bool anonymous = false;                     ///< Requests are not signed.
};

}  // namespace dcache::s3
