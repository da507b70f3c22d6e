// SPDX-License-Identifier: MIT
/// What may be wrong with what a far tier holds: each is counted under its name, and is a miss.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace dcache::engine {

/// Why a record, or the value in it, counts as not there.
enum class RecordFault : std::uint8_t {
  none,
  truncated,        ///< It ends before what it announced.
  malformed,        ///< No record: another program's bytes, or damage to its heads.
  future_version,   ///< Of a format that this version does not know.
  oversized,        ///< Larger than the reader takes, compressed or not.
  damaged,          ///< The checksum is another one.
  not_signed,       ///< Without a signature, where the reader asks for one.
  badly_signed,     ///< Another secret, a changed byte, or another key's record.
  other_key,        ///< Another call's, under this key.
  bad_compression,  ///< Of an unknown kind, or not what it announced.
  unknown_codec,    ///< The value is in bytes of a codec that the reader does not have.
  mismatch,         ///< The value is of another type than the one asked for.
  too_deep,         ///< The value is nested deeper than the reader follows.
};
inline constexpr std::size_t record_faults = 13;
/// As in the enumeration; "none" for none.
std::string_view name_of(RecordFault fault) noexcept;

}  // namespace dcache::engine
