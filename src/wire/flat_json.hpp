// SPDX-License-Identifier: MIT
/// The members of one JSON object (RFC 8259), as far as sources of credentials answer with one:
/// text and numbers; what is nested is read over. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace dcache::json {

/// Members whose value is text, a number, `true`, `false` or `null`, the latter as they are
/// written. None: it is no object, or more than 16 levels deep.
std::optional<std::map<std::string, std::string>> flat_object(std::string_view text);

}  // namespace dcache::json
