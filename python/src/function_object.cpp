// SPDX-License-Identifier: MIT
#include "function_object.hpp"

#include <cstddef>
#include <memory>
#include <mutex>
#include <unordered_set>

#include "errors.hpp"
#include "guarded.hpp"
#include "mode.hpp"

namespace dcache::python {

namespace {

// All that there are, for `clear_all`. Never destroyed.
std::unordered_set<PyObject*>& all() {
  static auto& functions = *new std::unordered_set<PyObject*>();
  return functions;
}

PyObject* function_type = nullptr;
PyObject* method_type = nullptr;  // The same for what the interpreter may call unbound.

PyObject* call(PyObject* self, PyObject* const* args, std::size_t flags, PyObject* names) {
  const Py_ssize_t count = PyVectorcall_NARGS(flags);
  Function& function = function_of(self);
  if (!mode_may_differ) [[likely]] {
    const Recent::Entry* const known = function.recall(args, count, names);
    if (known != nullptr) [[likely]]
      return function.call_again(args, count, names, *known);
  }
  return function.call(args, count, names);
}

PyObject* call_async(PyObject* self, PyObject* const* args, std::size_t flags, PyObject* names) {
  const Py_ssize_t count = PyVectorcall_NARGS(flags);
  return guarded([&] {
    if (mode_may_differ && current_mode() == Mode::bypass) [[unlikely]] {
      return PyObject_Vectorcall(function_of(self).wrapped().get(), args,
                                 static_cast<std::size_t>(count), names);
    }
    return make_coroutine(self, Verb::call, args, count, names).release();
  });
}

template <Verb verb>
PyObject* method_verb(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names) {
  return do_verb(self, verb, args, count, names);
}

PyObject* canonical(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names) {
  return guarded([&] { return function_of(self).canonical(args, count, names).release(); });
}

PyObject* try_call(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names) {
  return guarded([&] { return try_near(function_of(self), args, count, names).release(); });
}

PyObject* map(PyObject* self, PyObject* iterables, PyObject* same) {
  return guarded([&] { return map_calls(self, nullptr, iterables, same).release(); });
}

PyObject* invalidate(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names) {
  return method_verb<Verb::invalidate>(self, args, count, names);
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
    Function& function = function_of(self);
    return PyObject_CallFunction(
        type, "KKOn", static_cast<unsigned long long>(function.counts().hits),
        static_cast<unsigned long long>(function.counts().misses), maxsize_of(function).get(),
        static_cast<Py_ssize_t>(function.entries()));
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

PyObject* stats(PyObject* self, PyObject*) {
  return guarded([&] {
    Function& function = function_of(self);
    const Counts& counts = function.counts();
    const MemoryStats near = function.table().near().stats();
    const auto number = [](std::uint64_t count) { return static_cast<unsigned long long>(count); };
    const Object side = function.far_side();
    const Object tiers = side ? stats_of_chain(far_of(side.get())->function->chain())
                              : Object::checked(PyList_New(0));
    return Py_BuildValue(
        "{sOsKsKsKsKsKsKs{sKsKsKsKsKsKsKsKsK}}", "tiers", tiers.get(), "hits", number(counts.hits),
        "misses", number(counts.misses), "waited", number(counts.waited), "stale",
        number(counts.stale), "refreshes", number(counts.refreshes), "refresh_failures",
        number(counts.refresh_failures), "memory", "entries", number(near.entries), "weight",
        number(near.weight), "hits", number(near.hits), "misses", number(near.misses), "inserted",
        number(near.inserted), "replaced", number(near.replaced), "evicted", number(near.evicted),
        "expired", number(near.expired), "erased", number(near.erased));
  });
}

PyObject* repr(PyObject* self) {
  return PyUnicode_FromFormat("<dcache of %R>", function_of(self).wrapped().get());
}

// By reference; what is defined in `__main__` may need more (`_pickling.py`).
PyObject* reduce(PyObject* self, PyObject*) {
  const Object module = Object::owned(PyObject_GetAttrString(self, "__module__"));
  if (!module) PyErr_Clear();
  const bool main = module && PyUnicode_Check(module.get()) != 0 &&
                    PyUnicode_CompareWithASCIIString(module.get(), "__main__") == 0;
  const Object options = Object::owned(main ? PyObject_GetAttrString(self, "_options") : nullptr);
  if (!options) {
    PyErr_Clear();
    return PyObject_GetAttrString(self, "__qualname__");
  }
  const Object pickling = Object::owned(PyImport_ImportModule("dcache._pickling"));
  return pickling ? PyObject_CallMethod(pickling.get(), "reduce", "O", self) : nullptr;
}

PyObject* copy(PyObject* self, PyObject*) { return Object::shared(self).release(); }

// It is a method: the interpreter may leave out binding, and hand the instance in.
void become_method(PyObject* self) {
  function_of(self).become_method();
  auto* const type = reinterpret_cast<PyTypeObject*>(method_type);
  if (Py_TYPE(self) == type || reinterpret_cast<FunctionObject*>(self)->binds_class) return;
  Py_INCREF(type);
  PyTypeObject* const before = Py_TYPE(self);
  Py_SET_TYPE(self, type);
  Py_DECREF(before);
}

PyObject* get(PyObject* self, PyObject* instance, PyObject* type) {
  return guarded([&] {
    const bool of_class = reinterpret_cast<FunctionObject*>(self)->binds_class;
    if (!of_class && (instance == nullptr || instance == Py_None)) {
      return Object::shared(self).release();
    }
    become_method(self);
    if (!of_class) return bind_method(self, instance).release();
    PyObject* const owner = type != nullptr ? type : reinterpret_cast<PyObject*>(Py_TYPE(instance));
    return bind_method(self, owner).release();
  });
}

// What `asyncio.iscoroutinefunction` and, from 3.12, `inspect.iscoroutinefunction` look for. Who
// asks has imported the module.
PyObject* mark_of(PyObject* self, const char* module, const char* name) {
  PyObject* const found = function_of(self).options().async
                              ? PyDict_GetItemString(PyImport_GetModuleDict(), module)
                              : nullptr;
  if (found != nullptr) return PyObject_GetAttrString(found, name);
  PyErr_SetString(PyExc_AttributeError, name);
  return nullptr;
}
PyObject* is_coroutine(PyObject* self, void*) {
  return mark_of(self, "asyncio.coroutines", "_is_coroutine");
}
PyObject* is_coroutine_marker(PyObject* self, void*) {
  constexpr bool renamed = PY_VERSION_HEX >= 0x030D0000;
  return mark_of(self, "inspect", renamed ? "_is_coroutine_mark" : "_is_coroutine_marker");
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
  if (object.function != nullptr) object.function->clear_near();
  return 0;
}

void dealloc(PyObject* self) {
  auto& object = *reinterpret_cast<FunctionObject*>(self);
  PyTypeObject* const type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  all().erase(self);
  if (object.weak_references != nullptr) PyObject_ClearWeakRefs(self);
  if (object.function != nullptr) object.function->retire();
  Py_CLEAR(object.attributes);
  delete object.function;
  type->tp_free(self);
  Py_DECREF(type);
}

constexpr const char* make_doc = "Function(wrapped, **options)\n\nThe package checks the options.";

PyObject* make(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  return guarded([&] {
    Object wrapped;
    bool method = false, binds_class = false;
    Options options = read_options(args, kwargs, wrapped, method, binds_class);
    Object self = Object::checked(type->tp_alloc(type, 0));
    auto& object = *reinterpret_cast<FunctionObject*>(self.get());
    object.vectorcall = options.async ? call_async : call;
    object.binds_class = binds_class;
    object.function = new Function(self.get(), std::move(wrapped), std::move(options));
    all().insert(self.get());
    if (method) become_method(self.get());
    return self.release();
  });
}

PyObject* clear_all(PyObject*, PyObject*) {
  return guarded([&] {
    std::vector<Object> functions;
    for (PyObject* const function : all()) functions.push_back(Object::shared(function));
    for (const Object& function : functions) function_of(function.get()).clear_near();
    Py_RETURN_NONE;
  });
}

constexpr int with_arguments = METH_FASTCALL | METH_KEYWORDS;

PyMethodDef methods[] = {
    {"invalidate", method(invalidate), with_arguments,
     "invalidate($self, /, *args, **kwargs)\n--\n\n"
     "Forget the result of this call. True: there was one, or one was being computed."},
    {"refresh", method(method_verb<Verb::refresh>), with_arguments,
     "refresh($self, /, *args, **kwargs)\n--\n\n"
     "Compute this call anew, keep the result and return it."},
    {"peek", method(method_verb<Verb::peek>), with_arguments,
     "peek($self, /, *args, **kwargs)\n--\n\n"
     "What this call would return without computing, or MISSING."},
    {"put", method(method_verb<Verb::put>), with_arguments,
     "put($self, value, /, *args, **kwargs)\n--\n\n"
     "put(value, ...): keep `value` as the result of this call."},
    {"key", method(method_verb<Verb::key>), with_arguments,
     "key($self, /, *args, **kwargs)\n--\n\n"
     "The key of this call in far tiers, as text: the same in every process."},
    {"explain", method(method_verb<Verb::explain>), with_arguments,
     "explain($self, /, *args, **kwargs)\n--\n\n"
     "What is known of this call, as text."},
    {"map", method(map), METH_VARARGS | METH_KEYWORDS,
     "map($self, /, *iterables, **same)\n--\n\n"
     "The results of many calls, one for each item of the iterables, each with the keywords\n"
     "`same`, as a list. Each far tier is asked once for many of them."},
    {"_try", method(try_call), with_arguments, nullptr},
    {"_canonical", method(canonical), with_arguments,
     "_canonical($self, /, *args, **kwargs)\n--\n\n"
     "The bytes of this call's arguments that its far key is made of."},
    {"stats", stats, METH_NOARGS, "stats($self, /)\n--\n\nWhat was counted, as a dict."},
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
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {"_is_coroutine", is_coroutine, nullptr, nullptr, nullptr},
    {"_is_coroutine_marker", is_coroutine_marker, nullptr, nullptr, nullptr},
    {}};

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

constexpr unsigned flags =
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_BASETYPE;

PyType_Spec spec = {"dcache._engine.Function", sizeof(FunctionObject), 0, flags, slots};

PyType_Slot method_slots[] = {{Py_tp_traverse, slot(traverse)},
                              {Py_tp_clear, slot(clear)},
                              {Py_tp_dealloc, slot(dealloc)},
                              {Py_tp_descr_get, slot(get)},
                              {0, nullptr}};
PyType_Spec method_spec = {
    "dcache._engine.Method", sizeof(FunctionObject), 0,
    (flags & ~static_cast<unsigned>(Py_TPFLAGS_BASETYPE)) | Py_TPFLAGS_METHOD_DESCRIPTOR,
    method_slots};

PyMethodDef clear_all_def = {"clear_all", clear_all, METH_NOARGS,
                             "clear_all()\n--\n\nEmpty every near tier of this process."};

}  // namespace

Object do_now(Function& function, Verb verb, PyObject* const* args, Py_ssize_t count,
              PyObject* names) {
  switch (verb) {
    case Verb::call:
      return Object::checked(function.call(args, count, names));
    case Verb::invalidate:
      return Object::shared(function.invalidate(args, count, names) ? Py_True : Py_False);
    case Verb::refresh:
      return function.refresh(args, count, names);
    case Verb::peek: {
      Object found = function.peek(args, count, names);
      return found ? found : Object::shared(missing);
    }
    case Verb::put:
      function.put(args[0], args + 1, count - 1, names);
      return Object::shared(Py_None);
    case Verb::key:
      return function.far_key(args, count, names);
    case Verb::explain:
      break;
  }
  const Object facts = function.explain(args, count, names);
  const Object module = Object::checked(PyImport_ImportModule("dcache._explain"));
  return Object::checked(PyObject_CallMethod(module.get(), "explain", "OOO", function.self(),
                                             function.wrapped().get(), facts.get()));
}

PyObject* do_verb(PyObject* self, Verb verb, PyObject* const* args, Py_ssize_t count,
                  PyObject* names) {
  if (verb == Verb::put && count < 1) {
    PyErr_SetString(errors.usage,
                    "dcache: put(value, ...) needs the value first, then the "
                    "arguments of the call");
    return nullptr;
  }
  return guarded([&] {
    Function& function = function_of(self);
    if (!function.options().async) return do_now(function, verb, args, count, names).release();
    return make_coroutine(self, verb, args, count, names).release();
  });
}

bool prepare_function(PyObject* module) {
  function_type = PyType_FromSpec(&spec);
  if (function_type == nullptr) return false;
  method_type = PyType_FromSpecWithBases(&method_spec, function_type);
  const Object clear = Object::owned(PyCFunction_New(&clear_all_def, nullptr));
  return method_type != nullptr && clear &&
         PyModule_AddObjectRef(module, "Function", function_type) == 0 &&
         PyModule_AddObjectRef(module, "clear_all", clear.get()) == 0;
}

}  // namespace dcache::python
