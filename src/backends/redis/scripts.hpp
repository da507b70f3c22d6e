// SPDX-License-Identifier: MIT
/// What Redis does in one step, in its Lua. Asked by digest, which costs no text; a server that
/// does not know a script yet (NOSCRIPT) is sent the text.
///
/// Every script has three keys, the names of record, watch and lease, and runs on any Redis since 5
/// and any Valkey. What it needs of an ACL: docs/backends/redis.md. What is of another type than it
/// should be, or has another form, is nobody's, and is replaced.
#pragma once

#include <string>
#include <string_view>

namespace dcache::redis {

struct Script {
  std::string_view text;
  std::string digest;  ///< SHA-1 in hexadecimal: how Redis names it.
};

struct Scripts {
  /// value, milliseconds (0: no end). Stores, and kills watch and lease. 1.
  Script put;
  /// value, milliseconds. The value that is there, or stores and kills: nil.
  Script add;
  /// new token, milliseconds of the watch. The token.
  Script watch;
  /// new token, milliseconds of the watch, holder, milliseconds of the lease, looks (0 or 1), how
  /// what was seen ends. A simple string: the token; an array with it: another holder has the
  /// lease; a bulk: what is there that was not seen.
  Script lease;
  /// value, milliseconds, token, lease, kills (0 or 1), milliseconds of the watch from now on.
  /// Ends the lease. 1: stored; 0: the token is dead.
  Script fill;
  /// lease. Ends it. 1; 0: it has ended.
  Script release;
  /// lease, its milliseconds, those of the watch. 1; 0: it has ended.
  Script renew;
};

/// Thread-safe.
const Scripts& scripts();

}  // namespace dcache::redis
