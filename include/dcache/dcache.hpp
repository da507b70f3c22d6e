// SPDX-License-Identifier: MIT
/// Everything that people who cache functions need.
#pragma once

#include "dcache/backends/file.hpp"
#include "dcache/cache.hpp"
#include "dcache/clock.hpp"
#include "dcache/codec.hpp"
#include "dcache/error.hpp"
#include "dcache/memoize.hpp"
#include "dcache/memory.hpp"
#include "dcache/mode.hpp"
#include "dcache/options.hpp"
#include "dcache/stats.hpp"
