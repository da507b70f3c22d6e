// SPDX-License-Identifier: MIT
/// What a far tier holds for one key: times, a check of the key, the value's bytes, a seal.
///
/// A record is one CBOR array (docs/formats.md). Reading believes nothing: whatever does not fit is
/// a fault, which callers count and treat as a miss. Nothing is allocated beyond the bounds of the
/// reader's own options, whatever the record announces.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dcache/engine/digest.hpp"
#include "dcache/engine/record_fault.hpp"

namespace dcache::engine {

/// A unique value of a namespace, a function or a tag. Compared for equality.
using Mark = std::array<unsigned char, 16>;

/// Microseconds since 1970-01-01 UTC.
using WallTime = std::int64_t;
inline constexpr WallTime no_end = std::numeric_limits<WallTime>::max();

inline WallTime microseconds(std::chrono::nanoseconds span) noexcept {
  return std::chrono::duration_cast<std::chrono::microseconds>(span).count();
}
/// By the machine's clock.
inline WallTime wall_now() noexcept {
  return microseconds(std::chrono::system_clock::now().time_since_epoch());
}

struct RecordTimes {
  WallTime created = 0;
  WallTime fresh_until = no_end;
  WallTime usable_until = no_end;
  std::uint64_t cost = 0;  ///< Of computing, in microseconds.

  bool fresh_at(WallTime now) const noexcept { return fresh_until > now; }
};

/// Whose record it is.
struct RecordKey {
  std::string_view text;       ///< `namespace:function:digest`, as the far tier sees it.
  std::string_view canonical;  ///< The bytes that the digest is of.
};

/// What is common to the records of one cache.
struct RecordOptions {
  /// Null: records carry a checksum. Else they carry a signature, and others are refused. Outlives
  /// the options.
  const Signer* signer = nullptr;
  /// Payloads from this size on are compressed if that saves a tenth; 0: none is.
  std::size_t compress_from = 4096;
  /// The most bytes of a record, and of its payload when it is not compressed any more.
  std::size_t bytes_max = std::size_t{64} << 20U;
};

/// Appends the record of a payload. False: it would be larger than `bytes_max`; `out` is as it was.
bool append_record(std::string& out, const RecordKey& key, const RecordTimes& times,
                   std::string_view codec, std::span<const Mark> marks, std::string_view payload,
                   const RecordOptions& options);

/// A record that was read. Views look into the bytes that were given, or into the reader's own.
struct Record {
  RecordTimes times;
  std::string_view codec;
  std::vector<Mark> marks;
  std::string_view payload;
};

/// Reads records, one at a time. Not thread-safe.
class RecordReader {
 public:
  /// `record` is valid until the next call and as long as `bytes` are. Throws only std::bad_alloc.
  RecordFault read(std::string_view bytes, const RecordKey& key, const RecordOptions& options,
                   Record& record);

 private:
  std::string unpacked_;
};

}  // namespace dcache::engine
