// SPDX-License-Identifier: MIT
/// The type of the callable that `@dcache` returns.
#pragma once

#include "function.hpp"
#include "object.hpp"

namespace dcache::python {

struct FunctionObject {
  PyObject_HEAD vectorcallfunc vectorcall;
  Function* function;
  PyObject* attributes;
  PyObject* weak_references;
  bool binds_class;  // As a class method: what it is called on is the class.
};

/// REQUIRES: a `FunctionObject`.
inline Function& function_of(PyObject* self) noexcept {
  return *reinterpret_cast<FunctionObject*>(self)->function;
}

/// What a function does with the arguments of a call.
enum class Verb : std::uint8_t { call, invalidate, refresh, peek, put, key, explain };

/// Does it: for a plain function at once, for a coroutine function as something to await. `args`
/// are those of the call; for `put` the value comes first. Null: an error is set.
PyObject* do_verb(PyObject* self, Verb verb, PyObject* const* args, Py_ssize_t count,
                  PyObject* names);

/// The same here and now. Throws `Raised`.
Object do_now(Function& function, Verb verb, PyObject* const* args, Py_ssize_t count,
              PyObject* names);

/// The results of many calls; of a coroutine function something to await. `instance`: in front of
/// the arguments of each; or null. `same`: keywords of all; or null. Throws `Raised`.
Object map_calls(PyObject* function, PyObject* instance, PyObject* iterables, PyObject* same);
/// What is at hand of a call that is one of many: (result,); or a `Miss` to look further for; or
/// None: it is to be called. Throws `Raised`.
Object try_near(Function& function, PyObject* const* args, Py_ssize_t count, PyObject* names);

/// The function with an instance in front of its arguments. Throws `Raised`.
Object bind_method(PyObject* function, PyObject* instance);

/// The coroutine object of a call or verb. Throws `Raised`.
Object make_coroutine(PyObject* function, Verb verb, PyObject* const* args, Py_ssize_t count,
                      PyObject* names);

/// What `peek` returns for nothing; borrowed.
extern PyObject* missing;

// Each makes a type and, where users see it, adds it to the module. False: an error is set.

bool prepare_missing(PyObject* module);
bool prepare_function(PyObject* module);
bool prepare_bound_method();
bool prepare_coroutine();

}  // namespace dcache::python
