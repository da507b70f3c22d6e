// SPDX-License-Identifier: MIT
/// Objects of the standard library's types, made of what stands for them in bytes.
#pragma once

#include <cstdint>

#include "object.hpp"

namespace dcache::python {

/// Of what `Canonical` writes under this tag. Empty: there is no such tag, or it is not that
/// (no error is set), or the type would not have it (one is). Imports the module of the type, which
/// is one of a fixed list. Guarded by the interpreter's lock.
Object stdlib_of(std::uint64_t tag, PyObject* content);

}  // namespace dcache::python
