// SPDX-License-Identifier: MIT
/// The boundary: where C++ becomes Python, and no exception crosses.
#pragma once

#include <exception>
#include <new>

#include "errors.hpp"
#include "object.hpp"

namespace dcache::python {

/// What `run` returns; null with the interpreter's error set if it throws. Not `noexcept`: the
/// interpreter may end a thread from within, which unwinds (`unwound_by_nobody`).
template <class Run>
PyObject* guarded(Run&& run) {
  try {
    return run();
  } catch (const Raised&) {
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& error) {
    PyErr_SetString(errors.error, error.what());
  }
  return nullptr;
}

}  // namespace dcache::python
