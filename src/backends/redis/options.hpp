// SPDX-License-Identifier: MIT
/// How a server is called by its options, and what of them can never work.
#pragma once

#include <string>

#include "dcache/backends/redis.hpp"

namespace dcache::redis {

/// As a URL, without its secrets.
std::string name_of(const RedisOptions& options);
/// Throws ConfigError. `name`: for its message.
void check_options(const RedisOptions& options, const std::string& name);

}  // namespace dcache::redis
