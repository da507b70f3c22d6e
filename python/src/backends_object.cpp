// SPDX-License-Identifier: MIT
// `FarBackend` and `Chain`: stores and their order, for the package to put together.
#include <new>
#include <string>
#include <vector>

#include "dcache/engine/open.hpp"
#include "dcache/engine/tiers.hpp"
#include "dcache/error.hpp"
#include "dcache/testing/backend_suite.hpp"

#include "cache_object.hpp"
#include "far.hpp"
#include "guarded.hpp"
#include "options.hpp"
#include "python_backend.hpp"
#include "stores.hpp"

namespace dcache::python {
namespace {

struct BackendObject {
  PyObject_HEAD std::shared_ptr<engine::Backend> backend;
  PyObject* adapter;  // Of one in Python, which refers to it weakly; or null.
};
struct ChainObject {
  PyObject_HEAD std::shared_ptr<engine::Chain> chain;
  PyObject* clock;
  PyObject* tiers;  // With their `FarBackend`s.
};

PyTypeObject* type_of_backend = nullptr;
PyTypeObject* type_of_chain = nullptr;

std::shared_ptr<engine::Backend>& backend_of(PyObject* self) noexcept {
  return reinterpret_cast<BackendObject*>(self)->backend;
}
ChainObject& as_chain(PyObject* self) noexcept { return *reinterpret_cast<ChainObject*>(self); }

template <class Run>
void unlocked(Run&& run) {
  std::exception_ptr error;
  PyThreadState* const state = PyEval_SaveThread();
  try {
    run();
  } catch (...) {
    error = std::current_exception();
  }
  unwound_by_nobody([&] { PyEval_RestoreThread(state); });
  if (error != nullptr) raise_from(error);
}

template <class T>
void destroy_plainly(PyObject* self, T& held) {
  PyTypeObject* const type = Py_TYPE(self);
  held.~T();
  type->tp_free(self);
  Py_DECREF(type);
}

int traverse_backend(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(reinterpret_cast<BackendObject*>(self)->adapter);
  return 0;
}
int clear_backend(PyObject* self) {
  Py_CLEAR(reinterpret_cast<BackendObject*>(self)->adapter);
  return 0;
}
void destroy_backend(PyObject* self) {
  PyObject_GC_UnTrack(self);
  clear_backend(self);
  destroy_plainly(self, backend_of(self));
}

PyObject* name(PyObject* self, PyObject*) {
  return guarded([&] { return PyUnicode_FromString(backend_of(self)->name().c_str()); });
}
PyObject* check(PyObject* self, PyObject*) {
  return guarded([&]() -> PyObject* {
    unlocked([&] { backend_of(self)->check(); });
    Py_RETURN_NONE;
  });
}
PyObject* close(PyObject* self, PyObject*) {
  return guarded([&]() -> PyObject* {
    unlocked([&] { backend_of(self)->close(); });
    Py_RETURN_NONE;
  });
}

PyMethodDef backend_methods[] = {
    {"name", name, METH_NOARGS, "As a person would name it, without secrets."},
    {"check", check, METH_NOARGS, "Connects, and raises what is wrong."},
    {"close", close, METH_NOARGS, "Lets go of files, sockets and threads."},
    {}};
PyType_Slot backend_slots[] = {{Py_tp_doc, const_cast<char*>("A store, as the engine knows it.")},
                               {Py_tp_traverse, reinterpret_cast<void*>(traverse_backend)},
                               {Py_tp_clear, reinterpret_cast<void*>(clear_backend)},
                               {Py_tp_dealloc, reinterpret_cast<void*>(destroy_backend)},
                               {Py_tp_methods, backend_methods},
                               {0, nullptr}};
PyType_Spec backend_spec = {"dcache._engine.FarBackend", sizeof(BackendObject), 0,
                            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, backend_slots};

// --- Chains ---

engine::TierOptions tier_of(PyObject* described) {
  PyObject *backend = nullptr, *ttl = nullptr, *budget = nullptr;
  int reads = 1, writes = 1;
  if (PyArg_ParseTuple(described, "O!OppO", type_of_backend, &backend, &ttl, &reads, &writes,
                       &budget) == 0) {
    throw Raised();
  }
  engine::TierOptions tier;
  tier.backend = backend_of(backend);
  if (ttl != Py_None) tier.ttl = seconds_of(ttl);
  if (budget != Py_None) tier.budget = seconds_of(budget);
  tier.reads = reads != 0;
  tier.writes = writes != 0;
  return tier;
}

// Told on any thread, which may have the interpreter's lock or not.
std::function<void(const std::string&, const std::string&)> teller(PyObject* on_trouble) {
  const auto held = std::make_shared<const Kept>(Object::shared(on_trouble));
  return [held](const std::string& tier, const std::string& why) {
    if (Py_IsInitialized() == 0) return;
    with_interpreter([&] {
      PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
      PyErr_Fetch(&type, &value, &trace);
      const Object answer = Object::owned(unwound_by_nobody(
          [&] { return PyObject_CallFunction(held->get(), "ss", tier.c_str(), why.c_str()); }));
      if (!answer) PyErr_WriteUnraisable(held->get());
      PyErr_Restore(type, value, trace);
    });
  };
}

PyObject* make_chain(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    static const char* const names[] = {"tiers",      "secret",   "retain",
                                        "mark_ttl",   "near_ttl", "compress_from",
                                        "on_trouble", "clock",    nullptr};
    PyObject *tiers = nullptr, *retain = nullptr, *mark_ttl = Py_None, *near_ttl = Py_None,
             *on_trouble = nullptr, *clock = Py_None;
    const char* secret = nullptr;
    Py_ssize_t secret_size = 0, compress_from = 0;
    if (PyArg_ParseTupleAndKeywords(args, kwargs, "O!y#OOOnOO", const_cast<char**>(names),
                                    &PyList_Type, &tiers, &secret, &secret_size, &retain, &mark_ttl,
                                    &near_ttl, &compress_from, &on_trouble, &clock) == 0) {
      throw Raised();
    }
    std::vector<engine::TierOptions> described;
    described.reserve(static_cast<std::size_t>(PyList_GET_SIZE(tiers)));
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(tiers); ++i) {
      described.push_back(tier_of(PyList_GET_ITEM(tiers, i)));
    }
    engine::ChainOptions options;
    options.secret.assign(secret, static_cast<std::size_t>(secret_size));
    options.retain = seconds_of(retain);
    if (mark_ttl != Py_None) options.mark_ttl = seconds_of(mark_ttl);
    if (near_ttl != Py_None) options.near_ttl = seconds_of(near_ttl);
    options.compress_from = static_cast<std::size_t>(compress_from);
    options.on_trouble = teller(on_trouble);
    if (clock != Py_None) options.clock = clock_of(clock);
    auto chain = std::make_shared<engine::Chain>(std::move(described), std::move(options));
    Object self = Object::checked(type->tp_alloc(type, 0));
    new (&as_chain(self.get()).chain) std::shared_ptr<engine::Chain>(std::move(chain));
    as_chain(self.get()).clock = Object::shared(clock).release();
    as_chain(self.get()).tiers = Object::shared(tiers).release();
    return self.release();
  });
}

int traverse_chain(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(as_chain(self).clock);
  Py_VISIT(as_chain(self).tiers);
  return 0;
}
// The clock stays: the engine's chain refers to it.
int clear_chain(PyObject* self) {
  Py_CLEAR(as_chain(self).tiers);
  return 0;
}
void destroy_chain(PyObject* self) {
  PyObject_GC_UnTrack(self);
  clear_chain(self);
  Py_CLEAR(as_chain(self).clock);
  destroy_plainly(self, as_chain(self).chain);
}

PyObject* check_chain(PyObject* self, PyObject*) {
  return guarded([&]() -> PyObject* {
    unlocked([&] { as_chain(self).chain->check(); });
    Py_RETURN_NONE;
  });
}
PyObject* close_chain(PyObject* self, PyObject*) {
  return guarded([&]() -> PyObject* {
    unlocked([&] { as_chain(self).chain->close(); });
    Py_RETURN_NONE;
  });
}
PyObject* near_ttl_of_chain(PyObject* self, PyObject*) {
  const auto near_ttl = as_chain(self).chain->near_ttl();
  if (!near_ttl) Py_RETURN_NONE;
  return PyFloat_FromDouble(std::chrono::duration<double>(*near_ttl).count());
}

Object stats_of(const engine::TierStats& tier) {
  Object faults = Object::checked(PyDict_New());
  for (std::size_t i = 0; i < tier.faults.size(); ++i) {
    if (tier.faults[i] == 0) continue;
    const std::string fault(engine::name_of(static_cast<engine::RecordFault>(i)));
    const Object number = Object::checked(PyLong_FromUnsignedLongLong(tier.faults[i]));
    if (PyDict_SetItemString(faults.get(), fault.c_str(), number.get()) != 0) throw Raised();
  }
  const auto number = [](std::uint64_t count) { return static_cast<unsigned long long>(count); };
  return Object::checked(
      Py_BuildValue("{sssKsKsKsKsKsKsKsKsssO}", "tier", tier.name.c_str(), "hits",
                    number(tier.hits), "misses", number(tier.misses), "dead", number(tier.dead),
                    "stores", number(tier.stores), "refused_stores", number(tier.refused_stores),
                    "failures", number(tier.failures), "timeouts", number(tier.timeouts), "skipped",
                    number(tier.skipped), "breaker", tier.breaker, "faults", faults.get()));
}

PyObject* chain_stats(PyObject* self, PyObject*) {
  return guarded([&] { return stats_of_chain(*as_chain(self).chain).release(); });
}

PyMethodDef chain_methods[] = {
    {"check", check_chain, METH_NOARGS, "Connects to every tier, and raises what is wrong."},
    {"close", close_chain, METH_NOARGS, "Lets go of files, sockets and threads."},
    {"stats", chain_stats, METH_NOARGS, "What was counted, a dict for each tier."},
    {"near_ttl", near_ttl_of_chain, METH_NOARGS,
     "For how long memory is believed, in seconds; None: others cannot change what it has."},
    {}};
PyType_Slot chain_slots[] = {{Py_tp_doc, const_cast<char*>("Far tiers, nearest first.")},
                             {Py_tp_new, reinterpret_cast<void*>(make_chain)},
                             {Py_tp_traverse, reinterpret_cast<void*>(traverse_chain)},
                             {Py_tp_clear, reinterpret_cast<void*>(clear_chain)},
                             {Py_tp_dealloc, reinterpret_cast<void*>(destroy_chain)},
                             {Py_tp_methods, chain_methods},
                             {0, nullptr}};
PyType_Spec chain_spec = {"dcache._engine.Chain", sizeof(ChainObject), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, chain_slots};

// --- What makes backends (those of the engine: stores.cpp) ---

PyObject* load_plugin(PyObject*, PyObject* path) {
  return guarded([&]() -> PyObject* {
    PyObject* bytes = nullptr;
    if (PyUnicode_FSConverter(path, static_cast<void*>(&bytes)) == 0) throw Raised();
    const Object held = Object::owned(bytes);
    return PyUnicode_FromString(engine::load_plugin(PyBytes_AS_STRING(bytes)).c_str());
  });
}

PyObject* known_schemes(PyObject*, PyObject*) {
  return guarded([&]() -> PyObject* {
    Object schemes = Object::checked(PyList_New(0));
    for (const std::string& scheme : engine::known_schemes()) {
      append(schemes, Object::checked(PyUnicode_FromString(scheme.c_str())));
    }
    return schemes.release();
  });
}

PyObject* python_backend(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *adapter = nullptr, *budget = nullptr, *near_ttl = nullptr, *mark_ttl = nullptr;
    const char* named = nullptr;
    int shared = 0, adds = 0, batches = 0;
    if (PyArg_ParseTuple(args, "OspppOOO", &adapter, &named, &shared, &adds, &batches, &budget,
                         &near_ttl, &mark_ttl) == 0) {
      throw Raised();
    }
    engine::Capabilities can;
    can.shared = shared != 0;
    can.adds = adds != 0;
    can.batches = batches != 0;
    const Object held = Object::shared(adapter);
    const Spans spans{seconds_of(budget), seconds_of(near_ttl), seconds_of(mark_ttl)};
    Object made = make_backend(make_python_backend(held, named, can, spans));
    reinterpret_cast<BackendObject*>(made.get())->adapter = Object(held).release();
    return made.release();
  });
}

// make() gives another FarBackend each time. A list of (hook, sentence, what is wrong); where
// something is wrong without a hook, of that alone.
PyObject* check_backend(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject* make = nullptr;
    Py_ssize_t value_max = 0;
    if (PyArg_ParseTuple(args, "On", &make, &value_max) == 0) throw Raised();
    testing::BackendRow row;
    row.value_max = static_cast<std::size_t>(value_max);
    row.make = [make] {
      std::shared_ptr<engine::Backend> backend;
      with_interpreter([&] {
        Object made = Object::owned(PyObject_CallNoArgs(make));
        if (!made) PyErr_WriteUnraisable(make);
        if (!made || Py_TYPE(made.get()) != type_of_backend) return;
        engine::Backend* const own = backend_of(made.get()).get();
        const auto held = std::make_shared<const Kept>(std::move(made));
        backend = std::shared_ptr<engine::Backend>(held, own);
      });
      return backend;
    };
    Object results = Object::checked(PyList_New(0));
    bool all_well = true;
    for (const testing::BackendHook& hook : testing::backend_hooks()) {
      const testing::BackendRow hooked = hook.around(row);
      for (const testing::BackendCheck& check : testing::backend_checks()) {
        std::string wrong;
        unlocked([&] { wrong = check.run(hooked); });
        all_well = all_well && wrong.empty();
        append(results, Object::checked(Py_BuildValue("(sss)", hook.name.c_str(),
                                                      check.sentence.c_str(), wrong.c_str())));
      }
      if (!all_well) break;
    }
    return results.release();
  });
}

PyObject* parse_bytes(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    const char *text = nullptr, *what = nullptr;
    if (PyArg_ParseTuple(args, "ss", &text, &what) == 0) throw Raised();
    return PyLong_FromUnsignedLongLong(engine::parse_bytes(text, what));
  });
}

PyObject* renew_far_sides(PyObject*, PyObject*) {
  ++far_epoch;
  Py_RETURN_NONE;
}

PyMethodDef functions[] = {
    {"load_plugin", load_plugin, METH_O, "A shared library; its scheme."},
    {"known_schemes", known_schemes, METH_NOARGS, "Those that `open_backend` opens."},
    {"python_backend", python_backend, METH_VARARGS,
     "(adapter, name, shared, adds, batches, budget, near_ttl, mark_ttl)"},
    {"check_backend", check_backend, METH_VARARGS, "(make, value_max)"},
    {"parse_bytes", parse_bytes, METH_VARARGS, "(text, name): how many bytes `1GB` are."},
    {"renew_far_sides", renew_far_sides, METH_NOARGS, "Functions ask for their far tiers again."},
    {}};

}  // namespace

Object make_backend(std::shared_ptr<engine::Backend> backend) {
  Object self = Object::checked(type_of_backend->tp_alloc(type_of_backend, 0));
  new (&backend_of(self.get())) std::shared_ptr<engine::Backend>(std::move(backend));
  return self;
}

Object stats_of_chain(const engine::Chain& chain) {
  Object all = Object::checked(PyList_New(0));
  for (const engine::TierStats& tier : chain.stats()) append(all, stats_of(tier));
  return all;
}

const std::shared_ptr<engine::Chain>& chain_of(PyObject* object) noexcept {
  return as_chain(object).chain;
}
bool is_chain(PyObject* object) noexcept { return Py_TYPE(object) == type_of_chain; }

bool prepare_backends(PyObject* module) {
  type_of_backend = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&backend_spec));
  type_of_chain = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&chain_spec));
  return type_of_backend != nullptr && type_of_chain != nullptr &&
         PyModule_AddFunctions(module, functions) == 0 && prepare_stores(module) &&
         prepare_python_backend(module) &&
         PyModule_AddObjectRef(module, "FarBackend",
                               reinterpret_cast<PyObject*>(type_of_backend)) == 0 &&
         PyModule_AddObjectRef(module, "Chain", reinterpret_cast<PyObject*>(type_of_chain)) == 0;
}

}  // namespace dcache::python
