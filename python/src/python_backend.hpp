// SPDX-License-Identifier: MIT
/// A backend that is written in Python: its operations run where the package puts them
/// (`dcache/_backend_threads.py`), never on the thread of the engine that asks.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "dcache/engine/backend.hpp"

#include "object.hpp"

namespace dcache::python {

/// `adapter.submit(op)` takes an `Op` and sees to it that it is completed; `adapter.check()` raises
/// what is wrong. The adapter is referred to weakly: references that the garbage collector does not
/// see would keep a backend for ever that refers to its own cache. Whoever needs it holds the
/// `FarBackend` that does (`make_backend`). REQUIRES: the interpreter's lock.
std::shared_ptr<engine::Backend> make_python_backend(const Object& adapter, std::string name,
                                                     engine::Capabilities can,
                                                     std::chrono::nanoseconds budget);

/// Makes the type `Op`. False: a Python error is set.
bool prepare_python_backend(PyObject* module);

}  // namespace dcache::python
