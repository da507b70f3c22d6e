// SPDX-License-Identifier: MIT
/// `s3://bucket/prefix?region=…&endpoint=…`
#pragma once

#include <memory>

#include "dcache/engine/open.hpp"

namespace dcache::engine {

/// Throws ConfigError. Weak: it is there where `dcache::s3` is linked, which asks for this name.
[[gnu::weak]] std::shared_ptr<Backend> open_s3(Url url) asm("dcache_open_s3");

}  // namespace dcache::engine
