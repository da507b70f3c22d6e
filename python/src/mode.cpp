// SPDX-License-Identifier: MIT
#include "mode.hpp"

#include <array>

#include "errors.hpp"

namespace dcache::python {

bool mode_may_differ = false;

namespace {

Mode process_mode = Mode::normal;
long blocks = 0;
PyObject* disabled = nullptr;

// Those that concern far tiers alone are `normal` for calls.
bool is_far_mode(Mode mode) noexcept { return mode == Mode::read_only || mode == Mode::offline; }

const char* name_of(Mode mode) noexcept {
  constexpr std::array names = {"normal", "refresh", "bypass", "read-only", "offline"};
  return names[static_cast<std::size_t>(mode)];
}

void look() noexcept {
  mode_may_differ = (process_mode != Mode::normal && !is_far_mode(process_mode)) || blocks > 0;
}

}  // namespace

Mode current_mode() {
  if (blocks > 0) {
    PyObject* value = nullptr;
    if (PyContextVar_Get(disabled, nullptr, &value) != 0) throw Raised();
    const Object held = Object::owned(value);
    if (PyObject_IsTrue(value) == 1) return Mode::bypass;
  }
  return is_far_mode(process_mode) ? Mode::normal : process_mode;
}

const char* mode_name() {
  return name_of(current_mode() == Mode::bypass ? Mode::bypass : process_mode);
}

FarMode far_mode() noexcept { return {process_mode != Mode::offline, !is_far_mode(process_mode)}; }

void require_far_writes() {
  if (far_mode().writes) return;
  PyErr_Format(errors.mode,
               "dcache: the mode is %s: it was done in this process, and not in the far tiers; "
               "dcache.configure(mode=\"normal\") lets it reach them",
               name_of(process_mode));
  throw Raised();
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
