// SPDX-License-Identifier: MIT
/// DCACHE_HOT: on the path of a hit, where a call costs and a structure that is handed over stays
/// in memory. Inlined always, except in builds that do not optimise: there it would only make every
/// caller large (the tests of `memoize` take minutes to assemble under the address sanitizer). What
/// does nothing but prefetch has to be, too: gcc 12 takes it for a function without effect, and
/// drops the calls that it has not inlined early.
///
/// DCACHE_FLAT: all that it calls goes into it. Else gcc inlines as long as the file does not grow
/// by 40 %, and in one with many tables a store makes twenty calls: 60 ns in place of 52.
#pragma once

#if defined(__OPTIMIZE__)
#define DCACHE_HOT [[gnu::always_inline]]
#define DCACHE_HOT_LAMBDA __attribute__((always_inline))
#define DCACHE_FLAT [[gnu::flatten]]
#else
#define DCACHE_HOT
#define DCACHE_HOT_LAMBDA
#define DCACHE_FLAT
#endif
