// SPDX-License-Identifier: MIT
/// Tables that several functions share, and the clock that tests move, as objects of the
/// interpreter.
#pragma once

#include "object.hpp"
#include "table.hpp"

namespace dcache::python {

/// REQUIRES: an object of the type `SharedTable`.
Table& table_of(PyObject* shared_table) noexcept;

/// True: an object of the type `SharedTable`, or `ManualClock`.
bool is_shared_table(PyObject* object) noexcept;
bool is_clock(PyObject* object) noexcept;

/// Makes the types and adds them to the module. False: a Python error is set.
bool prepare_cache(PyObject* module);

}  // namespace dcache::python
