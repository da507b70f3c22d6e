// SPDX-License-Identifier: MIT
/// The tags that canonical bytes use. Where one is registered that says exactly what is meant, it
/// is that one; ours are from the range that is free for all.
#pragma once

#include <cstdint>

namespace dcache::python {

enum Tag : std::uint64_t {
  fraction_tag = 30,    // [numerator, denominator].
  uuid_tag = 37,        // 16 bytes.
  set_tag = 258,        // The items in the order of their bytes.
  date_tag = 1004,      // "2026-11-27".
  complex_tag = 43000,  // [real part, imaginary part].

  tuple_tag = 0xDCA0,
  frozenset_tag,
  surrogates_tag,  // Text that is not Unicode, as surrogatepass.
  decimal_tag,     // Its text.
  time_tag,        // ["02:30:00", fold, zone]: without the offset, which the zone says.
  datetime_tag,    // ["2026-11-27T02:30:00", fold, zone].
  timedelta_tag,   // [days, seconds, microseconds].
  path_tag,        // [name of the class, text].
  member_tag,      // Of an enum: [name of the class, name].
  name_tag,        // "module:qualname" of a class, a function, or `...`.
  default_tag,     // Of the parameter of this name.
  range_tag,       // [start, stop, step].
  slice_tag,
  keywords_tag,  // Surplus keyword arguments: [name, value, ...] as the call has them.
};

}  // namespace dcache::python
