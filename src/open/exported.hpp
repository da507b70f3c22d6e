// SPDX-License-Identifier: MIT
/// A backend of ours, seen through `dcache/plugin.h`: what makes a module of it.
#pragma once

#include <cstddef>

#include "dcache/engine/open.hpp"
#include "dcache/plugin.h"

namespace dcache::engine {

/// `dcache_plugin::open`, for what `open` makes of the URL.
int open_exported(const Opener& open, const dcache_host* host, const char* url,
                  dcache_backend* backend, char* why, std::size_t why_size) noexcept;

}  // namespace dcache::engine
