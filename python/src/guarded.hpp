// SPDX-License-Identifier: MIT
/// The boundary: where C++ becomes Python, and no exception crosses.
#pragma once

#include <exception>

#include "dcache/engine/hot.hpp"

#include "errors.hpp"
#include "object.hpp"

namespace dcache::python {

/// What `run` returns; null with the interpreter's error set if it throws. Not `noexcept`: the
/// interpreter may end a thread from within, which unwinds (`unwound_by_nobody`).
template <class Run>
DCACHE_HOT inline PyObject* guarded(Run&& run) {
  try {
    return run();
  } catch (const Raised&) {
  } catch (const std::exception&) {
    try {
      raise_from(std::current_exception());
    } catch (const Raised&) {
    }
  }
  return nullptr;
}

/// A function of any signature that its flags tell, as tables of methods take it.
template <class F>
PyCFunction method(F* function) noexcept {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

}  // namespace dcache::python
