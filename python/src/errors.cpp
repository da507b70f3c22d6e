// SPDX-License-Identifier: MIT
#include "errors.hpp"

#include <new>
#include <string>

#include "dcache/error.hpp"

namespace dcache::python {

Errors errors;

namespace {

bool add(PyObject* module, const char* name, const char* doc, PyObject* also, PyObject*& error,
         PyObject* base = nullptr) {
  const std::string full = std::string("dcache.") + name;
  if (base == nullptr) base = errors.error != nullptr ? errors.error : PyExc_Exception;
  const Object bases =
      Object::owned(also == nullptr ? PyTuple_Pack(1, base) : PyTuple_Pack(2, base, also));
  if (!bases) return false;
  error = PyErr_NewExceptionWithDoc(full.c_str(), doc, bases.get(), nullptr);
  return error != nullptr && PyModule_AddObjectRef(module, name, error) == 0;
}

// The rest of a sentence; empty for types that nobody registers.
std::string may_register(PyObject* culprit) {
  PyTypeObject* const type = Py_TYPE(culprit);
  if (PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE) == 0) return "";
  return std::string(", or dcache.register(") + type->tp_name + ", encode=..., decode=...)";
}

}  // namespace

bool prepare_errors(PyObject* module) {
  return add(module, "Error", "What dcache raises on its own account.", nullptr, errors.error) &&
         add(module, "ConfigError", "An option that can never work.", PyExc_ValueError,
             errors.config) &&
         add(module, "UsageError", "A call that can never work.", PyExc_TypeError, errors.usage) &&
         add(module, "UnkeyableError", "An argument that no key can be made of.", PyExc_TypeError,
             errors.unkeyable) &&
         add(module, "UnstorableError", "A result that has no form in bytes: `result`.",
             PyExc_TypeError, errors.unstorable) &&
         add(module, "TierError", "A far tier did not do what it was asked for explicitly.",
             nullptr, errors.tier) &&
         add(module, "InvalidationError", "An invalidation did not reach every far tier.", nullptr,
             errors.invalidation, errors.tier) &&
         add(module, "ModeError", "The mode of the process forbids what was asked for.", nullptr,
             errors.mode);
}

void raise_from(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const InvalidationError& thrown) {
    PyErr_SetString(errors.invalidation, thrown.what());
  } catch (const TierError& thrown) {
    PyErr_SetString(errors.tier, thrown.what());
  } catch (const ConfigError& thrown) {
    PyErr_SetString(errors.config, thrown.what());
  } catch (const UsageError& thrown) {
    PyErr_SetString(errors.usage, thrown.what());
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& thrown) {
    PyErr_SetString(errors.error, thrown.what());
  }
  throw Raised();
}

void raise_unkeyable(PyObject* function, PyObject* parameter, PyObject* argument, PyObject* culprit,
                     bool far) noexcept {
  const Object name = Object::owned(PyObject_GetAttrString(function, "__qualname__"));
  if (!name) PyErr_Clear();
  PyObject* const called = name ? name.get() : function;
  const std::string what =
      std::string(Py_TYPE(argument)->tp_name) +
      (culprit == argument ? "" : std::string(" that holds a ") + Py_TYPE(culprit)->tp_name) +
      (far ? ", which has no canonical form" : ", which has neither a hash nor a canonical form");
  const std::string or_register = may_register(culprit);
  if (parameter == Py_None) {
    PyErr_Format(errors.unkeyable,
                 "dcache: what key= makes of a call of %S() is a %s: let it return what has one%s",
                 called, what.c_str(), or_register.c_str());
  } else if (parameter == nullptr) {
    PyErr_Format(errors.unkeyable,
                 "dcache: an argument of %S() is a %s: say what counts with key=%s", called,
                 what.c_str(), or_register.c_str());
  } else if (far && PyUnicode_CompareWithASCIIString(parameter, "self") == 0) {
    PyErr_Format(errors.unkeyable,
                 "dcache: argument 'self' of %S() is a %s: give its class a "
                 "__dcache_key__(self), or say what counts with key=",
                 called, what.c_str());
  } else {
    PyErr_Format(errors.unkeyable,
                 "dcache: argument %R of %S() is a %s: leave it out of the key with "
                 "ignore=(%R,), %ssay what counts with key=%s",
                 parameter, called, what.c_str(), parameter, or_register.empty() ? "or " : "",
                 or_register.c_str());
  }
}

void raise_unstorable(PyObject* result, PyObject* culprit, bool is_known) noexcept {
  const char* const type = Py_TYPE(culprit)->tp_name;
  const std::string holds =
      culprit == result ? std::string() : std::string(Py_TYPE(result)->tp_name) + " that holds a ";
  const char* const why =
      is_known
          ? "dcache: the result is a %s%s of which something would be lost, such as an attribute "
            "that is no field, or several flags together: say how it is kept with "
            "dcache.register(%s, encode=..., decode=...)"
          : "dcache: the result is a %s%s, which has no form in bytes: return plain values "
            "(numbers, text, lists, dicts), name its class in the return annotation, or "
            "dcache.register(%s)";
  const Object text = Object::owned(PyUnicode_FromFormat(why, holds.c_str(), type, type));
  if (!text) return;
  const Object error = Object::owned(PyObject_CallOneArg(errors.unstorable, text.get()));
  if (!error || PyObject_SetAttrString(error.get(), "result", result) != 0) return;
  PyErr_SetObject(errors.unstorable, error.get());
}

void raise_once_only(PyObject* function, PyObject* result) noexcept {
  const PyAsyncMethods* const async = Py_TYPE(result)->tp_as_async;
  const bool awaitable = async != nullptr && async->am_await != nullptr;
  PyErr_Format(
      errors.usage,
      "dcache: %R returned a %s, which can be consumed only once and so cannot be shared "
      "by later calls: %s",
      function, Py_TYPE(result)->tp_name,
      awaitable ? "decorate an `async def` function, which awaits it" : "return a list or a tuple");
}

}  // namespace dcache::python
