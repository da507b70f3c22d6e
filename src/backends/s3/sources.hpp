// SPDX-License-Identifier: MIT
/// Where credentials are looked for, in the order of AWS's tools: the options, the environment, a
/// web identity, the profile in the shared files (a role, keys, a process), the container, the
/// machine (IMDSv2).
#pragma once

#include "dcache/backends/s3.hpp"

#include "backends/s3/credentials.hpp"

namespace dcache::s3 {

/// Blocks: reads files, runs a process, asks servers, for 20 s at most. The first source that is
/// there counts. Throws ConfigError where there is none, which names all, or for one that can never
/// work; TierError for one that does not work now. `region`: of the STS that is asked.
Credentials find_credentials(const S3Options& options, const std::string& region);

}  // namespace dcache::s3
