// SPDX-License-Identifier: MIT
#include "dcache/engine/record_fault.hpp"

#include <array>

namespace dcache::engine {

std::string_view name_of(RecordFault fault) noexcept {
  constexpr std::array<std::string_view, record_faults> names = {
      "none",          "truncated",  "malformed",    "future_version", "oversized",
      "damaged",       "not_signed", "badly_signed", "other_key",      "bad_compression",
      "unknown_codec", "mismatch",   "too_deep"};
  return names[static_cast<std::size_t>(fault)];
}

}  // namespace dcache::engine
