// SPDX-License-Identifier: MIT
#include "mode.hpp"

namespace dcache::python {

bool mode_may_differ = false;

namespace {

Mode process_mode = Mode::normal;
long blocks = 0;
PyObject* disabled = nullptr;

void look() noexcept { mode_may_differ = process_mode != Mode::normal || blocks > 0; }

}  // namespace

Mode current_mode() {
  if (blocks > 0) {
    PyObject* value = nullptr;
    if (PyContextVar_Get(disabled, nullptr, &value) != 0) throw Raised();
    const Object held = Object::owned(value);
    if (value == Py_True) return Mode::bypass;
  }
  return process_mode;
}

void set_mode(Mode mode) noexcept {
  process_mode = mode;
  look();
}

void count_block(int by) noexcept {
  blocks += by;
  look();
}

bool prepare_mode(PyObject* module) {
  disabled = PyContextVar_New("dcache.disabled", Py_False);
  return disabled != nullptr && PyModule_AddObjectRef(module, "disabled", disabled) == 0;
}

}  // namespace dcache::python
