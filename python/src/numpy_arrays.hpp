// SPDX-License-Identifier: MIT
/// Arrays and scalars of NumPy, where a program has it: RFC 8746 typed arrays for numbers.
///
/// NumPy is neither linked nor imported: who has an object of such a type has imported it.
/// Guarded by the interpreter's lock.
#pragma once

#include <cstdint>
#include <string_view>

#include "byte_buffer.hpp"
#include "object.hpp"

namespace dcache::python {

/// Appends an array or a scalar of exactly NumPy's own classes, of numbers, truth values, times or
/// text of fixed length. `key`: in one form, whatever its order in memory. False: it is none, and
/// nothing was appended. Throws `Raised`.
bool append_numpy(ByteBuffer& out, PyObject* object, bool key = false);

/// The type of the items of a typed array under this tag (RFC 8746, section 2.1), as NumPy writes
/// it; or null.
const char* typed_array(std::uint64_t tag) noexcept;

/// An array that may be written to. `type`: as NumPy writes it; `dimensions`: a list of numbers, or
/// null for one dimension. Empty: it is not that (no error is set), or NumPy would not have it or
/// is not there (one is).
Object make_array(PyObject* type, PyObject* dimensions, bool fortran_order, std::string_view bytes);
/// The same for a scalar.
Object make_scalar(PyObject* type, std::string_view bytes);

}  // namespace dcache::python
