// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "dcache/engine/url.hpp"

namespace dcache::files {

/// `file:///var/cache/app?max_bytes=1GB&allow_shared=true`. Throws ConfigError.
std::shared_ptr<engine::Backend> open_url(engine::Url url);

}  // namespace dcache::files
