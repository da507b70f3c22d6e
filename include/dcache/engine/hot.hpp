// SPDX-License-Identifier: MIT
/// DCACHE_HOT: on the path of a hit, where a call costs and a structure that is handed over stays
/// in memory. Inlined always, except in builds that do not optimise: there it would only make every
/// caller large (the tests of `memoize` take minutes to assemble under the address sanitizer).
#pragma once

#if defined(__OPTIMIZE__)
#define DCACHE_HOT [[gnu::always_inline]]
#define DCACHE_HOT_LAMBDA __attribute__((always_inline))
#else
#define DCACHE_HOT
#define DCACHE_HOT_LAMBDA
#endif
