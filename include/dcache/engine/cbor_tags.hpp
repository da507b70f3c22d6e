// SPDX-License-Identifier: MIT
/// The tags of keys and values (docs/formats.md). Where one is registered that says exactly what is
/// meant, it is that one; ours are from the range that is free for all.
#pragma once

#include <cstdint>

namespace dcache::engine::cbor {

enum Tag : std::uint64_t {
  positive_bignum_tag = 2,
  negative_bignum_tag = 3,
  fraction_tag = 30,   // [numerator, denominator].
  uuid_tag = 37,       // 16 bytes.
  row_major_tag = 40,  // [[dimensions], typed array], of RFC 8746, as are typed arrays: 64 to 86.
  set_tag = 258,       // The items; in a key in the order of their bytes.
  date_tag = 1004,     // "2026-11-27".
  column_major_tag = 1040,
  complex_tag = 43000,  // [real part, imaginary part].

  tuple_tag = 0xDCA0,
  frozenset_tag,
  surrogates_tag,  // Text that is not Unicode, as surrogatepass.
  decimal_tag,     // Its text.
  time_tag,        // ["02:30:00", fold, zone]: without the offset, which the zone says.
  datetime_tag,    // ["2026-11-27T02:30:00", fold, zone].
  timedelta_tag,   // [days, seconds, microseconds]; and nanoseconds where there are any.
  path_tag,        // [name of the class, text].
  member_tag,      // Of an enum: [name of the class, name].
  name_tag,        // "module:qualname" of a class, a function, or `...`.
  default_tag,     // Of the parameter of this name.
  range_tag,       // [start, stop, step].
  slice_tag,
  keywords_tag,  // Surplus keyword arguments: [name, value, ...] as the call has them.
  instance_tag,  // Of a class: [[its name, the names of its fields ...] or its number, values ...].
  converted_tag,  // Of a class that has a codec of its own: [its name, the value that stands for
                  // it].
  array_tag,      // Of NumPy: [type, "C" or "F", [dimensions], bytes], where RFC 8746 has no type.
  scalar_tag,     // Of NumPy: [type, bytes].
};

}  // namespace dcache::engine::cbor
