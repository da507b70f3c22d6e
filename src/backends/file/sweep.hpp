// SPDX-License-Identifier: MIT
/// Keeps the entries within their bound: removes what may be dropped, then what was not used for
/// longest. What never expires stays.
#pragma once

#include <chrono>
#include <cstdint>

#include "backends/file/folders.hpp"
#include "backends/file/leases.hpp"

namespace dcache::files {

struct Swept {
  std::uint64_t bytes = 0;  // That are left.
  std::uint64_t removed = 0;
};

/// One pass over all entries, or two where there are too many bytes. Somebody else may write and
/// sweep meanwhile: what is replaced stays. Drafts are removed that nobody has touched for longer
/// than `draft_age`: whoever wrote them is gone.
Swept sweep(const Folders& folders, Leases& leases, std::uint64_t bytes_max,
            std::chrono::microseconds draft_age = std::chrono::minutes(1));

}  // namespace dcache::files
