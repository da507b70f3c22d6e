// SPDX-License-Identifier: MIT
/// Classes that somebody registered with functions of his own. Guarded by the interpreter's lock.
#pragma once

#include "object.hpp"

namespace dcache::python {

/// What makes something that has a form in bytes of an object of this very class; or none.
Object registered_encode(PyTypeObject* type);

/// From now on. Throws `Raised`.
void register_encode(PyTypeObject* type, PyObject* encode);

}  // namespace dcache::python
