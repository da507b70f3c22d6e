// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "dcache/engine/url.hpp"

namespace dcache::redis {

/// `redis://user:secret@host:6379/0`, `rediss://`, `redis+unix:///path?db=0`. Throws ConfigError.
std::shared_ptr<engine::Backend> open_url(engine::Url url);

}  // namespace dcache::redis
