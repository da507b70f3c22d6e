// SPDX-License-Identifier: MIT
/// The errors that users see, and their sentences: what was expected, what came, the way out.
#pragma once

#include <exception>

#include "object.hpp"

namespace dcache::python {

/// The classes `dcache.Error` and its leaves; borrowed, there once `prepare_errors` has succeeded.
struct Errors {
  PyObject* error = nullptr;
  PyObject* config = nullptr;      // Also a ValueError.
  PyObject* usage = nullptr;       // Also a TypeError.
  PyObject* unkeyable = nullptr;   // Also a TypeError.
  PyObject* unstorable = nullptr;  // Also a TypeError.
  PyObject* tier = nullptr;
  PyObject* invalidation = nullptr;  // A `tier`.
  PyObject* mode = nullptr;
};
extern Errors errors;

/// Makes the classes and adds them to the module. False: a Python error is set.
bool prepare_errors(PyObject* module);

/// What the engine threw, as an exception of the same name. Throws `Raised`.
[[noreturn]] void raise_from(const std::exception_ptr& error);

// Each of these sets the interpreter's error.

/// `parameter`: its name; null where it has none; None: the argument is what key= returned.
/// `culprit`: what in the argument has no key, or the argument itself. `far`: a hash alone would
/// not do.
void raise_unkeyable(PyObject* function, PyObject* parameter, PyObject* argument, PyObject* culprit,
                     bool far) noexcept;
/// `culprit`: what in the result is no value, or the result itself; its `result` is the result.
/// `is_known`: others of its class are values.
void raise_unstorable(PyObject* result, PyObject* culprit, bool is_known) noexcept;
void raise_once_only(PyObject* function, PyObject* result) noexcept;

}  // namespace dcache::python
