// SPDX-License-Identifier: MIT
/// zstd (RFC 8878), with a few contexts that are used again. Thread-safe.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace dcache::engine {

/// Appends `bytes` compressed if that saves at least a tenth of them. False: it does not, and `out`
/// is as it was.
bool append_compressed(std::string& out, std::string_view bytes);

/// `bytes` as they were, of which there are exactly `size`. False: they are not.
bool decompress(std::string& out, std::string_view bytes, std::size_t size);

}  // namespace dcache::engine
