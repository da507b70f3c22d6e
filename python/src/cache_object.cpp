// SPDX-License-Identifier: MIT
#include "cache_object.hpp"

#include <memory>
#include <new>

#include "guarded.hpp"
#include "options.hpp"

namespace dcache::python {
namespace {

struct SharedTable {
  PyObject_HEAD Table* table;
  PyObject* weigher;
  PyObject* clock;
};

struct ClockObject {
  PyObject_HEAD ManualClock clock;
};

SharedTable& as_shared(PyObject* self) noexcept { return *reinterpret_cast<SharedTable*>(self); }
ManualClock& manual(PyObject* self) noexcept { return reinterpret_cast<ClockObject*>(self)->clock; }

PyTypeObject* type_of_table = nullptr;
PyTypeObject* type_of_clock = nullptr;

PyObject* make_table(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  return guarded([&] {
    static const char* const names[] = {"maxsize", "max_bytes", "weigher", "lru", "clock", nullptr};
    PyObject *maxsize = Py_None, *max_bytes = Py_None, *weigher = Py_None, *clock = Py_None;
    int lru = 0;
    if (PyArg_ParseTupleAndKeywords(args, kwargs, "|$OOOpO", const_cast<char**>(names), &maxsize,
                                    &max_bytes, &weigher, &lru, &clock) == 0) {
      throw Raised();
    }
    TableOptions options;
    options.entries_max = number_of(maxsize);
    options.weight_max = number_of(max_bytes);
    if (weigher != Py_None) options.weigher = Object::shared(weigher);
    options.policy = lru != 0 ? Policy::lru : Policy::adaptive;
    if (clock != Py_None) options.clock = Object::shared(clock);
    Object self = Object::checked(type->tp_alloc(type, 0));
    as_shared(self.get()).weigher = Object(options.weigher).release();
    as_shared(self.get()).clock = Object(options.clock).release();
    as_shared(self.get()).table = new Table(options);
    return self.release();
  });
}

int traverse_table(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(as_shared(self).weigher);
  Py_VISIT(as_shared(self).clock);
  Table* const table = as_shared(self).table;
  return table == nullptr ? 0 : table->traverse(visit, arg);
}

int forget_table(PyObject* self) {
  if (as_shared(self).table != nullptr) as_shared(self).table->clear();
  return 0;
}

void dealloc_table(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  delete as_shared(self).table;
  Py_CLEAR(as_shared(self).weigher);
  Py_CLEAR(as_shared(self).clock);
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* make_clock(PyTypeObject* type, PyObject*, PyObject*) {
  PyObject* const self = type->tp_alloc(type, 0);
  if (self != nullptr) new (&reinterpret_cast<ClockObject*>(self)->clock) ManualClock();
  return self;
}

PyObject* advance(PyObject* self, PyObject* seconds) {
  return guarded([&] {
    const Duration by = seconds_of(seconds);
    if (by < Duration(0)) {
      PyErr_SetString(PyExc_ValueError, "dcache: a clock never goes back");
      throw Raised();
    }
    manual(self).advance(by);
    Py_RETURN_NONE;
  });
}

void dealloc_clock(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  manual(self).~ManualClock();
  type->tp_free(self);
  Py_DECREF(type);
}

PyMethodDef clock_methods[] = {{"_advance", advance, METH_O, "Moves it so many seconds."}, {}};

template <class F>
void* slot(F* function) noexcept {
  return reinterpret_cast<void*>(function);
}

PyType_Slot table_slots[] = {{Py_tp_new, slot(make_table)},
                             {Py_tp_traverse, slot(traverse_table)},
                             {Py_tp_clear, slot(forget_table)},
                             {Py_tp_dealloc, slot(dealloc_table)},
                             {0, nullptr}};
PyType_Spec table_spec = {"dcache._engine.SharedTable", sizeof(SharedTable), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, table_slots};

PyType_Slot clock_slots[] = {{Py_tp_new, slot(make_clock)},
                             {Py_tp_dealloc, slot(dealloc_clock)},
                             {Py_tp_methods, clock_methods},
                             {0, nullptr}};
PyType_Spec clock_spec = {"dcache._engine.ManualClock", sizeof(ClockObject), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, clock_slots};

}  // namespace

Table& table_of(PyObject* shared_table) noexcept { return *as_shared(shared_table).table; }

bool is_shared_table(PyObject* object) noexcept { return Py_TYPE(object) == type_of_table; }

bool is_clock(PyObject* object) noexcept { return PyObject_TypeCheck(object, type_of_clock) != 0; }

const Clock* clock_of(PyObject* manual_clock) noexcept { return &manual(manual_clock); }

bool prepare_cache(PyObject* module) {
  type_of_table = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&table_spec));
  type_of_clock = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&clock_spec));
  return type_of_table != nullptr && type_of_clock != nullptr &&
         PyModule_AddObjectRef(module, "SharedTable", reinterpret_cast<PyObject*>(type_of_table)) ==
             0 &&
         PyModule_AddObjectRef(module, "ManualClock", reinterpret_cast<PyObject*>(type_of_clock)) ==
             0;
}

}  // namespace dcache::python
