// SPDX-License-Identifier: MIT
// Whether a sanitizer watches over this build.
#pragma once

namespace dcache::testing {

// Their allocators are not made for a fork while another thread is inside of them, and
// ThreadSanitizer dies of threads in a child: plain builds run what forks among threads.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool sanitized = true;
#elif defined(__has_feature)
inline constexpr bool sanitized =
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
inline constexpr bool sanitized = false;
#endif

}  // namespace dcache::testing
