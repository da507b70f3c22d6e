// SPDX-License-Identifier: MIT
// `instance.method` of a cached function: the call and the verbs with the instance in front.
#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

#include "errors.hpp"
#include "function_object.hpp"
#include "guarded.hpp"

namespace dcache::python {
namespace {

struct BoundMethod {
  PyObject_HEAD vectorcallfunc vectorcall;
  PyObject* function;
  PyObject* instance;
  PyObject* weak_references;
};

BoundMethod& as_bound(PyObject* self) noexcept { return *reinterpret_cast<BoundMethod*>(self); }

PyTypeObject* bound_type() noexcept;

// With the instance at `at` of the arguments.
template <class Run>
PyObject* with_instance(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names,
                        Py_ssize_t at, Run&& run) {
  constexpr std::size_t few = 10;
  const Py_ssize_t all = count + (names == nullptr ? 0 : PyTuple_GET_SIZE(names)) + 1;
  std::array<PyObject*, few> in_place;
  std::vector<PyObject*> many(static_cast<std::size_t>(all) > few ? all : 0);
  PyObject** const begin = many.empty() ? in_place.data() : many.data();
  std::copy(args, args + at, begin);
  begin[at] = as_bound(self).instance;
  std::copy(args + at, args + all - 1, begin + at + 1);
  return run(begin);
}

PyObject* call(PyObject* self, PyObject* const* args, std::size_t flags, PyObject* names) {
  const Py_ssize_t count = PyVectorcall_NARGS(flags);
  return with_instance(self, args, count, names, 0, [&](PyObject* const* all) {
    return PyObject_Vectorcall(as_bound(self).function, all, static_cast<std::size_t>(count) + 1,
                               names);
  });
}

template <Verb verb>
PyObject* do_bound(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names) {
  const Py_ssize_t at = verb == Verb::put ? 1 : 0;
  PyObject* const function = as_bound(self).function;
  if (count < at) return do_verb(function, verb, args, count, names);  // Which says what is wrong.
  return with_instance(self, args, count, names, at, [&](PyObject* const* all) {
    return do_verb(function, verb, all, count + 1, names);
  });
}

PyObject* map(PyObject* self, PyObject* iterables, PyObject* same) {
  return guarded([&] {
    const BoundMethod& bound = as_bound(self);
    return map_calls(bound.function, bound.instance, iterables, same).release();
  });
}

// What it has not of its own is the function's.
PyObject* get_attribute(PyObject* self, PyObject* name) {
  PyObject* const own = PyObject_GenericGetAttr(self, name);
  if (own != nullptr || PyErr_ExceptionMatches(PyExc_AttributeError) == 0) return own;
  PyErr_Clear();
  return PyObject_GetAttr(as_bound(self).function, name);
}

PyObject* instance_of(PyObject* self, void*) {
  return Object::shared(as_bound(self).instance).release();
}
PyObject* function_of_bound(PyObject* self, void*) {
  return Object::shared(as_bound(self).function).release();
}
PyObject* wrapped(PyObject* self, void*) {
  const BoundMethod& bound = as_bound(self);
  return PyMethod_New(function_of(bound.function).wrapped().get(), bound.instance);
}
PyObject* signature(PyObject* self, void*) {
  const Object method = Object::owned(wrapped(self, nullptr));
  const Object inspect = Object::owned(PyImport_ImportModule("inspect"));
  if (!method || !inspect) return nullptr;
  return PyObject_CallMethod(inspect.get(), "signature", "O", method.get());
}
PyObject* doc(PyObject* self, void*) {
  return PyObject_GetAttrString(as_bound(self).function, "__doc__");
}

PyObject* repr(PyObject* self) {
  return PyUnicode_FromFormat("<bound %R of %R>", as_bound(self).function, as_bound(self).instance);
}

PyObject* compare(PyObject* self, PyObject* other, int how) {
  if ((how != Py_EQ && how != Py_NE) || Py_TYPE(other) != bound_type()) Py_RETURN_NOTIMPLEMENTED;
  const bool same = as_bound(self).function == as_bound(other).function &&
                    as_bound(self).instance == as_bound(other).instance;
  return PyBool_FromLong(same == (how == Py_EQ) ? 1 : 0);
}

Py_hash_t hash(PyObject* self) {
  const auto bits = reinterpret_cast<std::uintptr_t>(as_bound(self).instance) >> 4U ^
                    reinterpret_cast<std::uintptr_t>(as_bound(self).function);
  const auto hash = static_cast<Py_hash_t>(bits);
  return hash == -1 ? -2 : hash;
}

PyObject* reduce(PyObject* self, PyObject*) {
  const Object builtins = Object::owned(PyImport_ImportModule("builtins"));
  const Object getattr =
      Object::owned(builtins ? PyObject_GetAttrString(builtins.get(), "getattr") : nullptr);
  const Object name = Object::owned(
      getattr ? PyObject_GetAttrString(as_bound(self).function, "__name__") : nullptr);
  return name ? Py_BuildValue("O(OO)", getattr.get(), as_bound(self).instance, name.get())
              : nullptr;
}

// Bound to a copy of the instance, as a method is that belongs to what is copied.
PyObject* deepcopy(PyObject* self, PyObject* memo) {
  return guarded([&] {
    const Object module = Object::checked(PyImport_ImportModule("copy"));
    const Object instance = Object::checked(
        PyObject_CallMethod(module.get(), "deepcopy", "OO", as_bound(self).instance, memo));
    return bind_method(as_bound(self).function, instance.get()).release();
  });
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(as_bound(self).function);
  Py_VISIT(as_bound(self).instance);
  return 0;
}

void dealloc(PyObject* self) {
  PyObject_GC_UnTrack(self);
  BoundMethod& bound = as_bound(self);
  if (bound.weak_references != nullptr) PyObject_ClearWeakRefs(self);
  Py_DECREF(bound.function);
  Py_DECREF(bound.instance);
  PyObject_GC_Del(self);
}

PyMethodDef methods[] = {
    {"invalidate", method(do_bound<Verb::invalidate>), METH_FASTCALL | METH_KEYWORDS,
     "invalidate($self, /, *args, **kwargs)\n--\n\nAs of the function, for this instance."},
    {"refresh", method(do_bound<Verb::refresh>), METH_FASTCALL | METH_KEYWORDS,
     "refresh($self, /, *args, **kwargs)\n--\n\nAs of the function, for this instance."},
    {"peek", method(do_bound<Verb::peek>), METH_FASTCALL | METH_KEYWORDS,
     "peek($self, /, *args, **kwargs)\n--\n\nAs of the function, for this instance."},
    {"put", method(do_bound<Verb::put>), METH_FASTCALL | METH_KEYWORDS,
     "put($self, value, /, *args, **kwargs)\n--\n\nAs of the function, for this instance."},
    {"key", method(do_bound<Verb::key>), METH_FASTCALL | METH_KEYWORDS,
     "key($self, /, *args, **kwargs)\n--\n\nAs of the function, for this instance."},
    {"explain", method(do_bound<Verb::explain>), METH_FASTCALL | METH_KEYWORDS,
     "explain($self, /, *args, **kwargs)\n--\n\nAs of the function, for this instance."},
    {"map", method(map), METH_VARARGS | METH_KEYWORDS,
     "map($self, /, *iterables, **same)\n--\n\nAs of the function, for this instance."},
    {"__reduce__", reduce, METH_NOARGS, nullptr},
    {"__deepcopy__", deepcopy, METH_O, nullptr},
    {}};

PyGetSetDef properties[] = {{"__self__", instance_of, nullptr, nullptr, nullptr},
                            {"__func__", function_of_bound, nullptr, nullptr, nullptr},
                            {"__wrapped__", wrapped, nullptr, nullptr, nullptr},
                            {"__signature__", signature, nullptr, nullptr, nullptr},
                            {"__doc__", doc, nullptr, nullptr, nullptr},
                            {}};

PyTypeObject bound_method_type = [] {
  PyTypeObject type{};
  type.ob_base = {PyObject_HEAD_INIT(nullptr) 0};
  type.tp_name = "dcache._engine.BoundMethod";
  type.tp_basicsize = sizeof(BoundMethod);
  type.tp_dealloc = dealloc;
  type.tp_vectorcall_offset = offsetof(BoundMethod, vectorcall);
  type.tp_repr = repr;
  type.tp_hash = hash;
  type.tp_call = PyVectorcall_Call;
  type.tp_getattro = get_attribute;
  type.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL;
  type.tp_traverse = traverse;
  type.tp_richcompare = compare;
  type.tp_weaklistoffset = offsetof(BoundMethod, weak_references);
  type.tp_methods = methods;
  type.tp_getset = properties;
  return type;
}();

PyTypeObject* bound_type() noexcept { return &bound_method_type; }

}  // namespace

Object bind_method(PyObject* function, PyObject* instance) {
  auto* const bound = PyObject_GC_New(BoundMethod, &bound_method_type);
  if (bound == nullptr) throw Raised();
  bound->vectorcall = call;
  bound->function = Object::shared(function).release();
  bound->instance = Object::shared(instance).release();
  bound->weak_references = nullptr;
  PyObject_GC_Track(bound);
  return Object::owned(reinterpret_cast<PyObject*>(bound));
}

bool prepare_bound_method() { return PyType_Ready(&bound_method_type) == 0; }

}  // namespace dcache::python
