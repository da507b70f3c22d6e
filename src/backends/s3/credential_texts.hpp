// SPDX-License-Identifier: MIT
/// What sources of credentials answer, read. Pure; throws TierError, which says what is wrong and
/// never what the answer was.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "backends/s3/credentials.hpp"

namespace dcache::s3 {

/// `2026-11-29T12:00:00Z`, with a fraction or an offset if need be (RFC 3339).
std::optional<engine::WallTime> moment_of(std::string_view text);

/// JSON, as containers, machines and processes answer. `source`: for the message.
Credentials credentials_in_json(std::string_view text, const std::string& source);
/// XML, as STS answers; its errors, too.
Credentials credentials_in_xml(std::string_view text, const std::string& source);

}  // namespace dcache::s3
