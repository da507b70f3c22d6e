// SPDX-License-Identifier: MIT
/// The backends that come with the library.
#pragma once

#include <map>
#include <string>

#include "dcache/engine/open.hpp"

namespace dcache::engine {

std::map<std::string, Opener> built_in();

}  // namespace dcache::engine
