// SPDX-License-Identifier: MIT
/// Names become backends: who opens which scheme. Thread-safe throughout.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dcache/engine/url.hpp"

namespace dcache::engine {

/// A scheme that a plugin brings. Throws ConfigError if it is taken.
void register_scheme(const std::string& scheme, const Opener& open);
/// Opens it. Throws ConfigError for an unknown scheme, which says what brings it if that is known,
/// and for what its backend refuses. Does no I/O.
std::shared_ptr<Backend> open_backend(std::string_view url);
/// Loads a shared library that exports `dcache_plugin` (`dcache/plugin.h`), for good, and registers
/// its scheme, which it returns. Throws ConfigError for what is no plugin.
std::string load_plugin(const std::string& path);
/// Those that can be opened now.
std::vector<std::string> known_schemes();

}  // namespace dcache::engine
