// SPDX-License-Identifier: MIT
/// What a task awaits until a far store has answered: an object with the protocol of
/// `asyncio.Future`, of which a task looks at nothing else. It is completed within a callback of
/// its loop, and then runs who waits at once, where `asyncio.Future` has the loop call him later:
/// making such a future, and waking its task, costs more than all of a hit besides. Cancelling
/// wakes by the loop, for who cancels is a task that takes a step.
///
/// REQUIRES: the interpreter's lock, and the thread of the loop.
#pragma once

#include "object.hpp"

namespace dcache::python {

/// Of this loop, pending. Throws `Raised`.
Object make_loop_future(Object loop);
/// As `await` on it would yield it.
void mark_as_yielded(PyObject* future) noexcept;
/// Runs who waits, each in his context, unless it is cancelled. Only called by the loop: no task
/// takes a step. What they raise is reported; false: it ends programs, and is raised.
bool complete_loop_future(PyObject* future);

/// Makes the type. False: a Python error is set.
bool prepare_loop_future();

}  // namespace dcache::python
