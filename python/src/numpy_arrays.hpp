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

/// Whether this is the tag of a typed array (RFC 8746, section 2.1).
bool is_typed_array(std::uint64_t tag) noexcept;

/// The type of the items of a typed array under this tag, or of this name, which is as NumPy writes
/// it. Empty: there is none (no error is set), or NumPy would not have it or is not there (one is).
Object dtype_of(std::uint64_t tag);
Object dtype_of(PyObject* name);

/// An array of items of a `dtype` that may be written to. `dimensions`: a list of numbers, or null
/// for one dimension. Empty as above.
Object make_array(PyObject* dtype, PyObject* dimensions, bool fortran_order,
                  std::string_view bytes);
/// The same for a scalar.
Object make_scalar(PyObject* dtype, std::string_view bytes);

}  // namespace dcache::python
