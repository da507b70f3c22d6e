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

/// What the methods of `Backend` of these names say.
struct Spans {
  std::chrono::nanoseconds budget;
  std::chrono::nanoseconds near_ttl;
  std::chrono::nanoseconds mark_ttl;
};

/// `adapter.submit(op)` takes an `Op` and sees to it that it is completed; `adapter.check()` raises
/// what is wrong. The adapter is referred to weakly: references that the garbage collector does not
/// see would keep a backend for ever that refers to its own cache. Whoever needs it holds the
/// `FarBackend` that does (`make_backend`). REQUIRES: the interpreter's lock.
std::shared_ptr<engine::Backend> make_python_backend(const Object& adapter, std::string name,
                                                     engine::Capabilities can, Spans spans);

/// Makes the type `Op`. False: a Python error is set.
bool prepare_python_backend(PyObject* module);

}  // namespace dcache::python
