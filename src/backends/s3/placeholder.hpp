// SPDX-License-Identifier: MIT
/// What stands in the place of a record while somebody computes it, and which tokens are of what.
///
/// A token is alive as long as the object that it was given for is the one that is there: a record
/// or a placeholder, by its ETag. Whatever replaces or deletes that object kills the token in the
/// same step; so no fill comes after an invalidation that it should have seen.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "dcache/engine/lock.hpp"

#include "base/per_process.hpp"

namespace dcache::s3 {

/// As text, which no record begins with: those are CBOR arrays.
struct Placeholder {
  std::uint64_t holder = 0;
  std::uint64_t chance = 0;  ///< No two have the same ETag.
  std::int64_t until = 0;    ///< Unix time, in seconds. In the past: nobody computes.

  static bool is_one(std::string_view body) noexcept;
  /// None: it is something else.
  static std::optional<Placeholder> read(std::string_view body);
  std::string text() const;
  /// The longest text, as a range of HTTP.
  static constexpr std::string_view range = "bytes=0-127";
};

/// Thread-safe. Those of this process; a forked child has none.
class Tokens {
 public:
  struct Of {
    std::string tag;      ///< ETag, bare. Empty: the server has no conditional writes.
    bool record = false;  ///< Of a record, not of a placeholder.
    bool taken = false;   ///< Of a placeholder of somebody who computes.
  };
  /// The oldest are forgotten beyond: their fills are refused.
  static constexpr std::size_t most = 65'536;

  /// Who computes here.
  std::uint64_t holder();
  /// The text of one of ours.
  std::string new_placeholder(std::int64_t until);
  /// Never 0.
  std::uint64_t add(Of of);
  std::optional<Of> find(std::uint64_t token);

 private:
  struct State {
    State();
    std::uint64_t holder;
    std::uint64_t next;  // Token, or chance.
    std::unordered_map<std::uint64_t, Of> alive;
    std::deque<std::uint64_t> order;
  };

  engine::Lock lock_;
  engine::PerProcess<State> state_;  // Guarded by lock_.
};

}  // namespace dcache::s3
