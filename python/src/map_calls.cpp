// SPDX-License-Identifier: MIT
// Many calls of one function; the order of the steps is in `dcache/_map.py`.
#include <utility>

#include "function_object.hpp"
#include "miss.hpp"
#include "mode.hpp"

namespace dcache::python {

Object map_calls(PyObject* function, PyObject* instance, PyObject* iterables, PyObject* same) {
  const Object module = Object::checked(PyImport_ImportModule("dcache._map"));
  const Object before =
      Object::checked(instance != nullptr ? PyTuple_Pack(1, instance) : PyTuple_New(0));
  const Object keywords = same != nullptr ? Object::shared(same) : Object::checked(PyDict_New());
  PyObject* const waits = function_of(function).options().async ? Py_True : Py_False;
  return Object::checked(PyObject_CallMethod(module.get(), "start", "OOOOO", function, waits,
                                             before.get(), iterables, keywords.get()));
}

// What is stale, or due for a refresh, has a way of its own.
Object try_near(Function& function, PyObject* const* args, Py_ssize_t count, PyObject* names) {
  const bool plain_mode = !mode_may_differ || current_mode() == Mode::normal;
  if (!plain_mode || !function.far_side()) return Object::shared(Py_None);
  Object missed;
  const auto miss = [&](Question* question, Table::Hit& hit) {
    Object made = make_miss(function, args, count, names, question);
    const Call& call = miss_of(made.get()).call();
    if (question == nullptr) function.table().find(call.question(), hit);
    const bool asks = !hit && call.question().answer();
    if (asks) function.table().find_surely(call.question(), hit, false);
    if (!hit) missed = std::move(made);
    return Object();
  };
  const Object found = function.look(args, count, names, miss);
  if (found) return Object::checked(PyTuple_Pack(1, found.get()));
  return missed ? missed : Object::shared(Py_None);
}

}  // namespace dcache::python
