// SPDX-License-Identifier: MIT
#include "loop_waker.hpp"

#include <cstdint>
#include <new>
#include <utility>

#include <unistd.h>

#include "guarded.hpp"

namespace dcache::python {

using engine::Ref;

FutureWake::FutureWake(Ref<LoopWaker> loop) noexcept : loop_(std::move(loop)) {}

// The reference is the operation's, which is done with it.
void FutureWake::completed() noexcept { loop_->tell(Ref<FutureWake>::adopt(this)); }

LoopWaker::~LoopWaker() { ::close(descriptor_); }

void LoopWaker::tell(Ref<FutureWake> wake) noexcept {
  const Ref<LoopWaker> alive(this);
  FutureWake* const last = wake.leak();
  FutureWake* before = told_.load(std::memory_order_relaxed);
  do {
    last->next_ = before;
  } while (!told_.compare_exchange_weak(before, last, std::memory_order_seq_cst));
  if (closed_.load(std::memory_order_seq_cst)) return drop_told();
  if (before != nullptr) return;  // The loop is on its way.
  const std::uint64_t one = 1;
  while (::write(descriptor_, &one, sizeof one) < 0 && errno == EINTR) {
  }
}

Object LoopWaker::take() {
  std::uint64_t count = 0;
  while (::read(descriptor_, &count, sizeof count) < 0 && errno == EINTR) {
  }
  FutureWake* told = nullptr;
  for (FutureWake* next = told_.exchange(nullptr); next != nullptr;) {
    FutureWake* const rest = std::exchange(next->next_, told);
    told = std::exchange(next, rest);
  }
  Object futures = Object::owned(PyList_New(0));
  bool failed = !futures;
  while (told != nullptr) {
    const auto wake = Ref<FutureWake>::adopt(std::exchange(told, told->next_));
    const Object future = wake->take_future();
    failed = failed || (future && PyList_Append(futures.get(), future.get()) != 0);
  }
  if (failed) throw Raised();
  return futures;
}

void LoopWaker::close() noexcept {
  closed_.store(true, std::memory_order_seq_cst);
  drop_told();
}

void LoopWaker::drop_told() noexcept {
  FutureWake* told = told_.exchange(nullptr);
  while (told != nullptr) Ref<FutureWake>::adopt(std::exchange(told, told->next_));
}

namespace {

struct WakerObject {
  PyObject_HEAD Ref<LoopWaker> waker;
};

PyTypeObject* type_of_waker = nullptr;

PyObject* make(PyTypeObject* type, PyObject* args, PyObject*) {
  return guarded([&]() -> PyObject* {
    int descriptor = -1;
    if (PyArg_ParseTuple(args, "i", &descriptor) == 0) throw Raised();
    auto waker = engine::make_ref<LoopWaker>(descriptor);
    Object self = Object::checked(type->tp_alloc(type, 0));
    new (&reinterpret_cast<WakerObject*>(self.get())->waker) Ref<LoopWaker>(std::move(waker));
    return self.release();
  });
}

void destroy(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  Ref<LoopWaker>& waker = reinterpret_cast<WakerObject*>(self)->waker;
  waker->close();
  waker.~Ref<LoopWaker>();
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* descriptor(PyObject* self, PyObject*) {
  return PyLong_FromLong(loop_waker_of(self)->descriptor());
}
PyObject* take(PyObject* self, PyObject*) {
  return guarded([&] { return loop_waker_of(self)->take().release(); });
}

PyMethodDef methods[] = {{"fileno", descriptor, METH_NOARGS, "What the loop watches."},
                         {"take", take, METH_NOARGS, "The futures whose time has come since."},
                         {}};
PyType_Slot slots[] = {{Py_tp_doc, const_cast<char*>("Wakes an event loop, by an eventfd.")},
                       {Py_tp_new, reinterpret_cast<void*>(make)},
                       {Py_tp_dealloc, reinterpret_cast<void*>(destroy)},
                       {Py_tp_methods, methods},
                       {0, nullptr}};
PyType_Spec spec = {"dcache._engine.LoopWaker", sizeof(WakerObject), 0, Py_TPFLAGS_DEFAULT, slots};

}  // namespace

const Ref<LoopWaker>& loop_waker_of(PyObject* object) noexcept {
  return reinterpret_cast<WakerObject*>(object)->waker;
}
bool is_loop_waker(PyObject* object) noexcept { return Py_TYPE(object) == type_of_waker; }

bool prepare_loop_waker(PyObject* module) {
  type_of_waker = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  return type_of_waker != nullptr &&
         PyModule_AddObjectRef(module, "LoopWaker", reinterpret_cast<PyObject*>(type_of_waker)) ==
             0;
}

}  // namespace dcache::python
