// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "dcache/engine/url.hpp"

namespace dcache::s3 {

/// `s3://KEY:SECRET@bucket/prefix?region=…&endpoint=…`; `s3:` takes all from the environment.
/// Throws ConfigError. Weak: it is there where `dcache::s3` is linked, which asks for this name.
[[gnu::weak]] std::shared_ptr<engine::Backend> open_url(engine::Url url) asm("dcache_open_s3");

}  // namespace dcache::s3
