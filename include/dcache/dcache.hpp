// SPDX-License-Identifier: MIT
/// Everything that people who cache functions need.
#pragma once

#include "dcache/clock.hpp"
#include "dcache/codec.hpp"
#include "dcache/error.hpp"
#include "dcache/memoize.hpp"
#include "dcache/memory.hpp"
#include "dcache/options.hpp"
#include "dcache/stats.hpp"
