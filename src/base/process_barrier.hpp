// SPDX-License-Identifier: MIT
/// A memory barrier on the cores of all threads of this process, run by the kernel (membarrier(2),
/// Linux 4.14). Elsewhere there is none, and what needs it does without.
#pragma once

namespace dcache::engine {

/// Whether there is one. Asked for the first time in a process of one thread it takes 1 us, else
/// 8 ms; so it is asked when this library is loaded.
bool has_process_barrier() noexcept;

/// Every thread of this process has run a full barrier when this returns, between what it did
/// before the call and what it did after. 0.5 to 2 us. REQUIRES: has_process_barrier().
void process_barrier() noexcept;

}  // namespace dcache::engine
