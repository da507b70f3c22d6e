// SPDX-License-Identifier: MIT
/// An exception as a result (`cache_errors`): in a flight as it was raised, in a table as its type,
/// arguments and attributes, without frames.
#pragma once

#include "object.hpp"

namespace dcache::python {

/// Of an exception as it was raised. Throws `Raised`.
Object make_failure(const Exception& exception);
/// What a table keeps of it. Throws `Raised`.
Object make_frameless(PyObject* failure);
bool is_failure(PyObject* object) noexcept;
/// The class of the exception; borrowed.
PyObject* class_of_failure(PyObject* failure) noexcept;
[[noreturn]] void raise_failure(PyObject* failure);

/// Makes the type. False: a Python error is set.
bool prepare_failure();

}  // namespace dcache::python
