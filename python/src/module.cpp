// SPDX-License-Identifier: MIT
/// The extension module `dcache._engine`: the callable type and its one factory. Options are
/// checked and defaults chosen in the package, which is Python and can say more.
#include <memory>
#include <new>

#include "canonical.hpp"
#include "errors.hpp"
#include "function.hpp"

namespace dcache::python {
namespace {

struct FunctionObject {
  PyObject_HEAD vectorcallfunc vectorcall;
  Function* function;
  PyObject* attributes;
  PyObject* weak_references;
};

Function& function_of(PyObject* self) { return *reinterpret_cast<FunctionObject*>(self)->function; }

// The one place where C++ becomes Python: no exception crosses it.
template <class Run>
PyObject* guarded(Run&& run) noexcept {
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

PyObject* call(PyObject* self, PyObject* const* args, std::size_t flags, PyObject* names) {
  return guarded([&] { return function_of(self).call(args, flags, names).release(); });
}

// The verbs take the call's own arguments.
using Verb = PyObject* const*;

PyObject* invalidate(PyObject* self, Verb args, Py_ssize_t count, PyObject* names) {
  return guarded(
      [&] { return PyBool_FromLong(function_of(self).invalidate(args, count, names) ? 1 : 0); });
}

PyObject* refresh(PyObject* self, Verb args, Py_ssize_t count, PyObject* names) {
  return guarded([&] { return function_of(self).refresh(args, count, names).release(); });
}

PyObject* missing = nullptr;

PyObject* peek(PyObject* self, Verb args, Py_ssize_t count, PyObject* names) {
  return guarded([&] {
    Object found = function_of(self).peek(args, count, names);
    return found ? found.release() : Object::shared(missing).release();
  });
}

PyObject* put(PyObject* self, Verb args, Py_ssize_t count, PyObject* names) {
  if (count < 1) {
    PyErr_SetString(errors.usage,
                    "dcache: put(value, ...) needs the value first, then the "
                    "arguments of the call");
    return nullptr;
  }
  return guarded([&] {
    function_of(self).put(args[0], args + 1, count - 1, names);
    Py_RETURN_NONE;
  });
}

Object maxsize_of(const Function& function) {
  const Options& options = function.options();
  if (!options.keeps) return Object::checked(PyLong_FromLong(0));
  if (!options.table.entries_max) return Object::shared(Py_None);
  return Object::checked(PyLong_FromSize_t(*options.table.entries_max));
}

PyObject* cache_clear(PyObject* self, PyObject*) {
  return guarded([&] {
    function_of(self).clear();
    Py_RETURN_NONE;
  });
}

// `functools` has the named tuple already.
PyObject* cache_info(PyObject* self, PyObject*) {
  return guarded([&] {
    static PyObject* const type =
        Object::checked(
            PyObject_GetAttrString(Object::checked(PyImport_ImportModule("functools")).get(),
                                   "_CacheInfo"))
            .release();
    const Function& function = function_of(self);
    return PyObject_CallFunction(type, "KKOn", static_cast<unsigned long long>(function.hits()),
                                 static_cast<unsigned long long>(function.misses()),
                                 maxsize_of(function).get(),
                                 static_cast<Py_ssize_t>(function_of(self).table().size()));
  });
}

PyObject* cache_parameters(PyObject* self, PyObject*) {
  return guarded([&] {
    const Function& function = function_of(self);
    const bool typed = function.options().typing != Typing::loose;
    return Py_BuildValue("{sOsO}", "maxsize", maxsize_of(function).get(), "typed",
                         typed ? Py_True : Py_False);
  });
}

PyObject* repr(PyObject* self) {
  return PyUnicode_FromFormat("<dcache of %R>", function_of(self).wrapped().get());
}

PyObject* reduce(PyObject* self, PyObject*) { return PyObject_GetAttrString(self, "__qualname__"); }

PyObject* copy(PyObject* self, PyObject*) { return Object::shared(self).release(); }

PyObject* get(PyObject* self, PyObject* instance, PyObject*) {
  if (instance == nullptr || instance == Py_None) return Object::shared(self).release();
  return PyMethod_New(self, instance);
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  auto& object = *reinterpret_cast<FunctionObject*>(self);
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(object.attributes);
  if (object.function == nullptr) return 0;
  return object.function->traverse(visit, arg);
}

int clear(PyObject* self) {
  auto& object = *reinterpret_cast<FunctionObject*>(self);
  Py_CLEAR(object.attributes);
  if (object.function != nullptr) object.function->clear();
  return 0;
}

void dealloc(PyObject* self) {
  auto& object = *reinterpret_cast<FunctionObject*>(self);
  PyTypeObject* const type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  if (object.weak_references != nullptr) PyObject_ClearWeakRefs(self);
  clear(self);
  delete object.function;
  type->tp_free(self);
  Py_DECREF(type);
}

// --- Making one ---

// Nothing where Python says None.
Object optional(PyObject* object) { return object == Py_None ? Object() : Object::shared(object); }

Duration seconds(double count) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(count));
}

constexpr const char* make_doc =
    "Function(wrapped, *, maxsize, policy, coalesces, raw, typing, ttl, stale_for, jitter, "
    "cache_if, key, ignore, flight_timeout)\n\nThe arguments are checked by the package.";

PyObject* make(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {
      "wrapped",   "maxsize", "policy",   "coalesces", "raw",    "typing",         "ttl",
      "stale_for", "jitter",  "cache_if", "key",       "ignore", "flight_timeout", nullptr};
  PyObject *wrapped = nullptr, *maxsize = nullptr, *ttl = Py_None, *cache_if = Py_None,
           *key = Py_None, *ignore = Py_None;
  int lru = 0, coalesces = 1, raw = 0, loose = 0;
  double stale_for = 0, jitter = 0, flight_timeout = 30;
  if (PyArg_ParseTupleAndKeywords(args, kwargs, "O|$OpppiOddOOOd", const_cast<char**>(names),
                                  &wrapped, &maxsize, &lru, &coalesces, &raw, &loose, &ttl,
                                  &stale_for, &jitter, &cache_if, &key, &ignore,
                                  &flight_timeout) == 0) {
    return nullptr;
  }
  return guarded([&]() -> PyObject* {
    Options options;
    options.table.policy = lru != 0 ? Policy::lru : Policy::adaptive;
    if (maxsize != nullptr && maxsize != Py_None) {
      const Py_ssize_t entries = PyLong_AsSsize_t(maxsize);
      if (entries == -1 && PyErr_Occurred() != nullptr) throw Raised();
      options.keeps = entries > 0;
      options.table.entries_max = options.keeps ? static_cast<std::size_t>(entries) : 1;
    }
    options.coalesces = coalesces != 0;
    options.raw = raw != 0;
    options.typing = static_cast<Typing>(loose);
    if (ttl != Py_None) options.ttl = seconds(PyFloat_AsDouble(ttl));
    if (PyErr_Occurred() != nullptr) throw Raised();
    options.freshness.stale_for = seconds(stale_for);
    options.freshness.jitter = jitter;
    options.flight_timeout = seconds(flight_timeout);
    options.cache_if = optional(cache_if);
    options.key = optional(key);
    options.ignore = optional(ignore);
    auto function = std::make_unique<Function>(Object::shared(wrapped), std::move(options));
    PyObject* const self = type->tp_alloc(type, 0);
    if (self == nullptr) throw Raised();
    auto& object = *reinterpret_cast<FunctionObject*>(self);
    object.vectorcall = call;
    object.function = function.release();
    return self;
  });
}

template <class F>
PyCFunction method(F* function) noexcept {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

PyMethodDef methods[] = {
    {"invalidate", method(invalidate), METH_FASTCALL | METH_KEYWORDS,
     "invalidate($self, /, *args, **kwargs)\n--\n\n"
     "Forget the result of this call. True: there was one, or one was being computed."},
    {"refresh", method(refresh), METH_FASTCALL | METH_KEYWORDS,
     "refresh($self, /, *args, **kwargs)\n--\n\n"
     "Compute this call anew, keep the result and return it."},
    {"peek", method(peek), METH_FASTCALL | METH_KEYWORDS,
     "peek($self, /, *args, **kwargs)\n--\n\n"
     "What this call would return without computing, or MISSING."},
    {"put", method(put), METH_FASTCALL | METH_KEYWORDS,
     "put($self, value, /, *args, **kwargs)\n--\n\n"
     "put(value, ...): keep `value` as the result of this call."},
    {"cache_clear", cache_clear, METH_NOARGS,
     "cache_clear($self, /)\n--\n\n"
     "Forget everything, statistics included."},
    {"cache_info", cache_info, METH_NOARGS,
     "cache_info($self, /)\n--\n\n"
     "Calls answered without running the body, bodies run, the bound, and entries now."},
    {"cache_parameters", cache_parameters, METH_NOARGS,
     "cache_parameters($self, /)\n--\n\n"
     "The bound, and whether types count."},
    {"__reduce__", reduce, METH_NOARGS, nullptr},
    {"__copy__", copy, METH_NOARGS, nullptr},
    {"__deepcopy__", copy, METH_O, nullptr},
    {}};

PyMemberDef members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(FunctionObject, vectorcall), READONLY, nullptr},
    {"__dictoffset__", T_PYSSIZET, offsetof(FunctionObject, attributes), READONLY, nullptr},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(FunctionObject, weak_references), READONLY,
     nullptr},
    {}};

PyGetSetDef properties[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr}, {}};

template <class F>
void* slot(F* function) noexcept {
  return reinterpret_cast<void*>(function);
}

PyType_Slot slots[] = {{Py_tp_new, slot(make)},      {Py_tp_doc, const_cast<char*>(make_doc)},
                       {Py_tp_repr, slot(repr)},     {Py_tp_call, slot(PyVectorcall_Call)},
                       {Py_tp_descr_get, slot(get)}, {Py_tp_traverse, slot(traverse)},
                       {Py_tp_clear, slot(clear)},   {Py_tp_dealloc, slot(dealloc)},
                       {Py_tp_methods, methods},     {Py_tp_members, members},
                       {Py_tp_getset, properties},   {0, nullptr}};

PyType_Spec spec = {"dcache._engine.Function", sizeof(FunctionObject), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
                        Py_TPFLAGS_METHOD_DESCRIPTOR,
                    slots};

int fill(PyObject* module) {
  if (!prepare_errors(module) || !prepare_canonical()) return -1;
  const Object type = Object::owned(PyType_FromSpec(&spec));
  if (!type || PyModule_AddObjectRef(module, "Function", type.get()) != 0) return -1;
  missing = PyObject_CallNoArgs(reinterpret_cast<PyObject*>(&PyBaseObject_Type));
  return missing == nullptr ? -1 : PyModule_AddObjectRef(module, "MISSING", missing);
}

PyModuleDef definition = {PyModuleDef_HEAD_INIT,
                          "dcache._engine",
                          "The engine of dcache: the callable that the decorator returns.",
                          -1,
                          nullptr,
                          nullptr,
                          nullptr,
                          nullptr,
                          nullptr};

}  // namespace
}  // namespace dcache::python

PyMODINIT_FUNC PyInit__engine() {
  PyObject* const module = PyModule_Create(&dcache::python::definition);
  if (module != nullptr && dcache::python::fill(module) != 0) {
    Py_DECREF(module);
    return nullptr;
  }
  return module;
}
