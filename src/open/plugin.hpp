// SPDX-License-Identifier: MIT
/// Backends with a foreign library are modules of their own: the library is loaded when their
/// scheme is first used, and nobody else has to have it.
#pragma once

#include <memory>
#include <string>

#include "dcache/engine/open.hpp"

namespace dcache::engine {

/// Opens by `dcache_<name>.so`, a plugin beside this library. `linked`: what opens instead, where
/// the program has linked `dcache::<name>`; null: it has not.
Opener module_opener(const std::string& name, std::shared_ptr<Backend> (*linked)(Url url));

}  // namespace dcache::engine
