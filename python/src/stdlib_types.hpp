// SPDX-License-Identifier: MIT
/// Types that have a canonical form besides those every program uses, told without importing their
/// modules: who has an object of such a type has imported it.
#pragma once

#include <cstdint>

#include "object.hpp"

namespace dcache::python {

enum class Stdlib : std::uint8_t {
  none,
  complex,
  range,
  slice,
  ellipsis,
  decimal,
  fraction,
  date,
  time,
  datetime,
  timedelta,
  timezone,
  zoneinfo,
  uuid,
  path,
  member,  // Of an enum.
};

/// What this very type is. Guarded by the interpreter's lock.
Stdlib stdlib_type(PyTypeObject* type);

/// True: its `==` takes different contents for equal (`Decimal("1.0")` and `Decimal("1.00")`, one
/// instant in two zones, 0j and -0j, ranges of the same numbers, two spellings of a Windows path),
/// or it has no hash in some versions (slices). May also be true of others' types of these names.
bool looser_than_its_content(PyTypeObject* type) noexcept;

}  // namespace dcache::python
