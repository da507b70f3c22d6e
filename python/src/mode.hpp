// SPDX-License-Identifier: MIT
/// What the whole process does with its caches (`dcache.configure`, `dcache.disabled`,
/// `DCACHE_MODE`). Guarded by the interpreter's lock.
#pragma once

#include <cstdint>

#include "object.hpp"

namespace dcache::python {

enum class Mode : std::uint8_t {
  normal,
  refresh,    ///< No table is read; results are stored.
  bypass,     ///< The function is called as if it were not decorated.
  read_only,  ///< Nothing is written to far tiers.
  offline,    ///< Far tiers are left alone.
};

/// What may be done with far tiers.
struct FarMode {
  bool reads = true;
  bool writes = true;
};
FarMode far_mode() noexcept;
/// Throws `Raised`, a ModeError, if what was asked for would write to far tiers.
void require_far_writes();

/// The one word that every call reads: false means `normal`, for everybody.
extern bool mode_may_differ;

/// REQUIRES: `mode_may_differ`. Throws `Raised`.
Mode current_mode();

/// The mode of a call made here, in the words of `configure`. Throws `Raised`.
const char* mode_name();

/// What holds outside of `disabled` blocks.
void set_mode(Mode mode) noexcept;
/// One more (1) or less (-1) of these blocks is being run.
void count_block(int by) noexcept;

/// Makes the context variable that is true inside of a block, and adds it to the module. False: a
/// Python error is set.
bool prepare_mode(PyObject* module);

}  // namespace dcache::python
