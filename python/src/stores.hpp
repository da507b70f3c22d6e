// SPDX-License-Identifier: MIT
/// What the package makes the engine's own backends with.
#pragma once

#include <memory>

#include "dcache/engine/backend.hpp"

#include "object.hpp"

namespace dcache::python {

/// A `FarBackend`. Throws `Raised`.
Object make_backend(std::shared_ptr<engine::Backend> backend);

/// Adds the functions. False: a Python error is set.
bool prepare_stores(PyObject* module);

}  // namespace dcache::python
