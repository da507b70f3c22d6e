// SPDX-License-Identifier: MIT
/// Numbers and text of the interpreter as CBOR. Runs no Python, and leaves nothing on the objects.
#pragma once

#include <string>

#include "object.hpp"

namespace dcache::python {

/// Both throw `Raised` when there is no memory.

/// REQUIRES: an `int`.
void append_int(PyObject* number, std::string& bytes);

/// REQUIRES: a `str`. Text that is not Unicode, for it has lone surrogates, as `surrogatepass`
/// bytes under a tag of ours.
void append_text(PyObject* string, std::string& bytes);

}  // namespace dcache::python
