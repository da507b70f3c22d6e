// SPDX-License-Identifier: MIT
/// The extension module `dcache._engine`. Options are checked and defaults chosen in the package,
/// which is Python and can say more.
#include "cache_object.hpp"
#include "canonical.hpp"
#include "errors.hpp"
#include "failure.hpp"
#include "far.hpp"
#include "function_object.hpp"
#include "guarded.hpp"
#include "instances.hpp"
#include "key_tuple.hpp"
#include "loop_future.hpp"
#include "loop_waker.hpp"
#include "miss.hpp"
#include "mode.hpp"
#include "registered.hpp"
#include "value_classes.hpp"
#include "waiting.hpp"

namespace dcache::python {
namespace {

PyObject* take_mode(PyObject*, PyObject* number) {
  const long mode = PyLong_AsLong(number);
  if (mode == -1 && PyErr_Occurred() != nullptr) return nullptr;
  set_mode(static_cast<Mode>(mode));
  Py_RETURN_NONE;
}

PyObject* take_block(PyObject*, PyObject* number) {
  const long by = PyLong_AsLong(number);
  if (by == -1 && PyErr_Occurred() != nullptr) return nullptr;
  count_block(static_cast<int>(by));
  Py_RETURN_NONE;
}

PyObject* canonical_bytes(PyObject*, PyObject* object) {
  return guarded([&]() -> PyObject* {
    Canonical canonical;
    if (!canonical.append(object)) {
      PyErr_Format(errors.unkeyable,
                   "dcache: a key would be made of a %s, which has no canonical form",
                   Py_TYPE(canonical.without().get())->tp_name);
      throw Raised();
    }
    const std::string& bytes = canonical.bytes();
    return PyBytes_FromStringAndSize(bytes.data(), static_cast<Py_ssize_t>(bytes.size()));
  });
}

PyObject* take_registration(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    if (count != 2 || PyType_Check(args[0]) == 0) {
      PyErr_SetString(PyExc_TypeError, "expected a class and a function");
      throw Raised();
    }
    register_encode(reinterpret_cast<PyTypeObject*>(args[0]), args[1]);
    Py_RETURN_NONE;
  });
}

PyObject* that_steps(PyObject*, PyObject*) {
  const Object loop = loop_that_steps();
  return Object(loop ? loop : Object::shared(Py_None)).release();
}

PyMethodDef functions[] = {
    {"canonical_bytes", canonical_bytes, METH_O,
     "canonical_bytes(object, /)\n--\n\nThe deterministic CBOR of an object, which keys are made "
     "of."},
    {"_register", method(take_registration), METH_FASTCALL,
     "How keys are made of the instances of a class."},
    {"loop_that_steps", that_steps, METH_NOARGS,
     "Of the task that takes a step on this thread; or None."},
    {"_set_mode", take_mode, METH_O, "What the process does with its caches: a number."},
    {"_count_block", take_block, METH_O, "One more or less block is disabled."},
    {}};

int fill(PyObject* module) {
  const bool filled = prepare_errors(module) && prepare_canonical_key() && prepare_key_tuple() &&
                      Instances::prepare() && prepare_failure() && prepare_mode(module) &&
                      prepare_waiting(module) && prepare_loop_future() &&
                      prepare_loop_waker(module) && prepare_miss() && prepare_coroutine() &&
                      prepare_bound_method() && prepare_cache(module) && prepare_values(module) &&
                      prepare_far(module) && prepare_backends(module) && prepare_missing(module) &&
                      prepare_function(module);
  return filled ? 0 : -1;
}

// Types and context variables are of the process, so there is one interpreter that has them; where
// it imports the module anew, it gets the same ones.
int execute(PyObject* module) {
  static PyInterpreterState* owner = nullptr;
  static PyObject* contents = nullptr;
  if (owner == nullptr) {
    if (fill(module) != 0) return -1;
    owner = PyInterpreterState_Get();
    contents = PyDict_Copy(PyModule_GetDict(module));
    return contents == nullptr ? -1 : 0;
  }
  if (owner != PyInterpreterState_Get()) {
    PyErr_SetString(PyExc_ImportError,
                    "dcache: a second interpreter in one process is not supported yet: use it in "
                    "the one that imported it first");
    return -1;
  }
  return PyDict_Merge(PyModule_GetDict(module), contents, 0);
}

PyModuleDef_Slot slots[] = {{Py_mod_exec, reinterpret_cast<void*>(execute)}, {0, nullptr}};

PyModuleDef definition = {PyModuleDef_HEAD_INIT,
                          "dcache._engine",
                          "The engine of dcache: the callable that the decorator returns.",
                          0,
                          functions,
                          slots,
                          nullptr,
                          nullptr,
                          nullptr};

}  // namespace
}  // namespace dcache::python

PyMODINIT_FUNC PyInit__engine() { return PyModuleDef_Init(&dcache::python::definition); }
