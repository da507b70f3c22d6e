// SPDX-License-Identifier: MIT
/// Whether a thread has room left on its stack, for whoever calls back what may call him.
///
/// A bound on the depth of such calls would have to know how large their frames are and how large
/// the stack is. Linux.
#pragma once

#include <cstdint>

namespace dcache::engine {

namespace stack_detail {
// Of this thread. At first there seems to be no room: then it is asked for.
extern thread_local constinit std::uintptr_t end;
extern thread_local constinit std::uintptr_t reserve;
bool has_room_slowly(std::uintptr_t here) noexcept;
}  // namespace stack_detail

/// False: what may go deeper is not to be called. What is left then, 256 KiB or a quarter of the
/// stack, is for all that is called without asking. True on a stack that is not the thread's own
/// (fibers). Any thread; a comparison once a thread has asked, and while there is room. A bound
/// that is raised meanwhile (`setrlimit`, of the main thread) counts.
inline bool stack_has_room() noexcept {
  const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  if (here - stack_detail::end >= stack_detail::reserve) [[likely]]
    return true;
  return stack_detail::has_room_slowly(here);
}

}  // namespace dcache::engine
