// SPDX-License-Identifier: MIT
#include "loop_waker.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <new>
#include <utility>
#include <vector>

#include <unistd.h>

#include "guarded.hpp"

namespace dcache::python {

using engine::Ref;

namespace {

struct Names {
  PyObject* done = PyUnicode_InternFromString("done");
  PyObject* set_result = PyUnicode_InternFromString("set_result");
};

// Loops round to their clock's resolution, and may come so early.
constexpr std::chrono::milliseconds early{1};

void tell_future(const Object& future) {
  static const Names names;
  if (!future) return;
  const Object done = Object::owned(PyObject_CallMethodNoArgs(future.get(), names.done));
  const bool told =
      done && (done.get() == Py_True ||
               Object::owned(PyObject_CallMethodOneArg(future.get(), names.set_result, Py_None)));
  if (!told) PyErr_WriteUnraisable(future.get());
}

}  // namespace

FutureWake::FutureWake(Ref<LoopWaker> loop) noexcept : loop_(std::move(loop)) {}

void FutureWake::wait_on(Object future, engine::SteadyMoment until) noexcept {
  take_future();
  future_ = Kept(std::move(future));
  until_ = until;
  neighbours_[0] = loop_->ends_[1];
  neighbours_[1] = nullptr;
  (neighbours_[0] != nullptr ? neighbours_[0]->neighbours_[1] : loop_->ends_[0]) = this;
  loop_->ends_[1] = this;
  loop_->earliest_ = std::min(loop_->earliest_, until);
}

void FutureWake::listen_to(engine::Op& op) {
  loop_->listening_.emplace_back(Ref<FutureWake>(this), Ref<engine::Op>(&op));
}

void FutureWake::stop_listening() noexcept {
  if (std::exchange(listens_, false)) release();
}

Object FutureWake::take_future() noexcept {
  if (future_.get() == nullptr) return Object();
  for (const int side : {0, 1}) {
    FutureWake* const neighbour = neighbours_[side];
    (neighbour != nullptr ? neighbour->neighbours_[1 - side] : loop_->ends_[side]) =
        neighbours_[1 - side];
  }
  return std::exchange(future_, Kept(Object())).object();
}

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

void LoopWaker::end_turn() noexcept {
  auto listening = std::exchange(listening_, {});
  for (const auto& [wake, op] : listening) {
    if (wake->future_.get() == nullptr) continue;  // Nobody waits any more.
    wake->retain();  // For the operation, which lets go of it when it tells.
    wake->listens_ = true;
    if (!op->listen(*wake)) wake->completed();
  }
  listening.clear();
  if (listening_.empty()) listening_.swap(listening);  // Its room.
}

void LoopWaker::pass_on() noexcept {
  std::uint64_t count = 0;
  while (::read(descriptor_, &count, sizeof count) < 0 && errno == EINTR) {
  }
  FutureWake* told = nullptr;
  for (FutureWake* next = told_.exchange(nullptr); next != nullptr;) {
    FutureWake* const rest = std::exchange(next->next_, told);
    told = std::exchange(next, rest);
  }
  while (told != nullptr) {
    const auto wake = Ref<FutureWake>::adopt(std::exchange(told, told->next_));
    tell_future(wake->take_future());
  }
}

bool LoopWaker::tell_overdue(engine::SteadyMoment now) noexcept {
  if (timer_ > now + early) return false;  // It was set for an earlier moment since.
  timer_ = earliest_ = engine::SteadyMoment::max();
  std::vector<Object> due;
  for (FutureWake *wake = ends_[0], *next = nullptr; wake != nullptr; wake = next) {
    next = wake->neighbours_[1];
    if (wake->until_ <= now + early) {
      due.push_back(wake->take_future());
    } else {
      earliest_ = std::min(earliest_, wake->until_);
    }
  }
  for (const Object& future : due) tell_future(future);
  return true;
}

std::optional<engine::SteadyMoment> LoopWaker::set_timer() noexcept {
  if (earliest_ >= timer_) return std::nullopt;
  return timer_ = earliest_;
}

void LoopWaker::close() noexcept {
  closed_.store(true, std::memory_order_seq_cst);
  drop_told();
  listening_.clear();
  while (ends_[0] != nullptr) ends_[0]->take_future();
}

void LoopWaker::drop_told() noexcept {
  FutureWake* told = told_.exchange(nullptr);
  while (told != nullptr) Ref<FutureWake>::adopt(std::exchange(told, told->next_));
}

namespace {

struct WakerObject {
  PyObject_HEAD Ref<LoopWaker> waker;
  PyObject* loop;  // A weak reference.
};

PyTypeObject* type_of_waker = nullptr;
PyObject* latest = nullptr;  // The one that was asked for last, while it lives.

WakerObject& as_waker(PyObject* self) noexcept { return *reinterpret_cast<WakerObject*>(self); }

// Seconds of a loop's timer.
double seconds_until(engine::SteadyMoment moment) {
  const auto span = moment - std::chrono::steady_clock::now();
  return std::clamp(std::chrono::duration<double>(span).count(), 0.0, 3600.0);
}

// Has the loop call that method of the waker.
void call_loop(PyObject* self, const char* how, const char* method, std::optional<double> seconds) {
  const Object loop = referred(as_waker(self).loop);
  if (!loop) return;
  const Object call = Object::checked(PyObject_GetAttrString(self, method));
  Object::checked(seconds ? PyObject_CallMethod(loop.get(), how, "dO", *seconds, call.get())
                          : PyObject_CallMethod(loop.get(), how, "O", call.get()));
}

void keep_time(PyObject* self) {
  const auto moment = as_waker(self).waker->set_timer();
  if (moment) call_loop(self, "call_later", "tell_overdue", seconds_until(*moment));
}

PyObject* make(PyTypeObject* type, PyObject* args, PyObject*) {
  return guarded([&]() -> PyObject* {
    int descriptor = -1;
    PyObject* loop = nullptr;
    if (PyArg_ParseTuple(args, "iO", &descriptor, &loop) == 0) throw Raised();
    Object weak = Object::checked(PyWeakref_NewRef(loop, nullptr));
    auto waker = engine::make_ref<LoopWaker>(descriptor);
    Object self = Object::checked(type->tp_alloc(type, 0));
    new (&as_waker(self.get()).waker) Ref<LoopWaker>(std::move(waker));
    as_waker(self.get()).loop = weak.release();
    return self.release();
  });
}

void destroy(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  if (latest == self) latest = nullptr;
  Ref<LoopWaker>& waker = as_waker(self).waker;
  waker->close();
  waker.~Ref<LoopWaker>();
  Py_XDECREF(as_waker(self).loop);
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* descriptor(PyObject* self, PyObject*) {
  return PyLong_FromLong(loop_waker_of(self)->descriptor());
}
PyObject* end_turn(PyObject* self, PyObject*) {
  loop_waker_of(self)->end_turn();
  Py_RETURN_NONE;
}
PyObject* pass_on(PyObject* self, PyObject*) {
  loop_waker_of(self)->pass_on();
  Py_RETURN_NONE;
}
PyObject* tell_overdue(PyObject* self, PyObject*) {
  return guarded([&] {
    if (loop_waker_of(self)->tell_overdue(std::chrono::steady_clock::now())) keep_time(self);
    return Object::shared(Py_None).release();
  });
}

PyMethodDef methods[] = {
    {"fileno", descriptor, METH_NOARGS, "What the loop watches."},
    {"end_turn", end_turn, METH_NOARGS, "What was submitted is waited for."},
    {"pass_on", pass_on, METH_NOARGS, "Tells the futures of what has completed."},
    {"tell_overdue", tell_overdue, METH_NOARGS,
     "Tells the futures whose time has come; the loop's timer calls it."},
    {}};
PyType_Slot slots[] = {{Py_tp_doc, const_cast<char*>("Wakes an event loop, by an eventfd.")},
                       {Py_tp_new, reinterpret_cast<void*>(make)},
                       {Py_tp_dealloc, reinterpret_cast<void*>(destroy)},
                       {Py_tp_methods, methods},
                       {0, nullptr}};
PyType_Spec spec = {"dcache._engine.LoopWaker", sizeof(WakerObject), 0, Py_TPFLAGS_DEFAULT, slots};

}  // namespace

Object waker_of(const Object& loop) {
  if (latest != nullptr && referred(as_waker(latest).loop).get() == loop.get()) {
    return Object::shared(latest);
  }
  const Object module = Object::checked(PyImport_ImportModule("dcache._async"));
  Object waker = Object::checked(PyObject_CallMethod(module.get(), "waker_of", "O", loop.get()));
  if (is_loop_waker(waker.get())) latest = waker.get();
  return waker;
}

void wait_on(PyObject* waker, FutureWake& wake, Object future, engine::SteadyMoment until,
             engine::Op* op) {
  wake.wait_on(std::move(future), until);
  keep_time(waker);
  if (op == nullptr) return;
  const bool in_turn = loop_waker_of(waker)->in_turn();
  wake.listen_to(*op);
  if (!in_turn) call_loop(waker, "call_soon", "end_turn", std::nullopt);
}

const Ref<LoopWaker>& loop_waker_of(PyObject* object) noexcept { return as_waker(object).waker; }
bool is_loop_waker(PyObject* object) noexcept { return Py_TYPE(object) == type_of_waker; }

bool prepare_loop_waker(PyObject* module) {
  type_of_waker = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  return type_of_waker != nullptr &&
         PyModule_AddObjectRef(module, "LoopWaker", reinterpret_cast<PyObject*>(type_of_waker)) ==
             0;
}

}  // namespace dcache::python
