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
#include "loop_future.hpp"

namespace dcache::python {

using engine::Ref;

namespace {

// Loops round to their clock's resolution, and may come so early.
constexpr std::chrono::milliseconds early{1};

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

namespace {

thread_local const LoopWaker* reading = nullptr;  // It looks at what it is told afterwards.

}  // namespace

void LoopWaker::tell(Ref<FutureWake> wake) noexcept {
  const Ref<LoopWaker> alive(this);
  FutureWake* const last = wake.leak();
  FutureWake* before = told_.load(std::memory_order_relaxed);
  do {
    last->next_ = before;
  } while (!told_.compare_exchange_weak(before, last, std::memory_order_seq_cst));
  if (closed_.load(std::memory_order_seq_cst)) return drop_told();
  if (before == nullptr && reading != this) raise_signal();  // Else the loop is on its way.
}

void LoopWaker::raise_signal() const noexcept {
  const std::uint64_t one = 1;
  while (::write(descriptor_, &one, sizeof one) < 0 && errno == EINTR) {
  }
}

void LoopWaker::send() noexcept {
  auto listening = std::exchange(listening_, {});
  engine::Drivable* last = nullptr;
  for (const auto& [wake, op] : listening) {
    if (wake->future_.get() == nullptr) continue;  // Nobody waits any more.
    engine::Drivable* const connection = op->drivable();
    wake->retain();  // For the operation, which lets go of it when it tells.
    wake->listens_ = true;
    if (!op->listen(*wake)) wake->completed();
    if (last != nullptr && last != connection) drive(*last);
    if (connection != nullptr) last = connection;
  }
  if (last != nullptr) drive(*last);
  listening.clear();
  if (listening_.empty()) listening_.swap(listening);  // Its room.
}

void LoopWaker::drive(engine::Drivable& connection) noexcept {
  const int descriptor = connection.loop_sends(this).descriptor;
  if (descriptor >= 0) driven_.push_back({&connection, connection.alive(), descriptor});
}

int LoopWaker::take_fresh() noexcept {
  return watched_ < driven_.size() ? driven_[watched_++].descriptor : -1;
}

bool LoopWaker::read(int descriptor) {
  const auto found = std::find_if(driven_.begin(), driven_.end(), [&](const Driven& each) {
    return each.descriptor == descriptor;
  });
  if (found == driven_.end()) return false;
  const Ref<engine::Counted> alive = found->alive;
  const LoopWaker* const before = std::exchange(reading, this);
  const bool drives = found->connection->loop_turns(this, descriptor);
  reading = before;
  take_told();
  complete_due();
  return drives;
}

void LoopWaker::forget(int descriptor) noexcept {
  for (std::size_t i = 0; i < driven_.size(); ++i) {
    if (driven_[i].descriptor != descriptor) continue;
    ::close(descriptor);
    driven_.erase(driven_.begin() + static_cast<std::ptrdiff_t>(i));
    if (i < watched_) --watched_;
    return;
  }
}

void LoopWaker::leave(int descriptor) noexcept {
  for (const Driven& each : driven_) {
    if (each.descriptor == descriptor) each.connection->loop_leaves(this);
  }
  forget(descriptor);
}

void LoopWaker::pass_on() {
  std::uint64_t count = 0;
  while (::read(descriptor_, &count, sizeof count) < 0 && errno == EINTR) {
  }
  take_told();
  complete_due();
}

void LoopWaker::take_told() noexcept {
  FutureWake* told = nullptr;
  for (FutureWake* next = told_.exchange(nullptr); next != nullptr;) {
    FutureWake* const rest = std::exchange(next->next_, told);
    told = std::exchange(next, rest);
  }
  while (told != nullptr) {
    const auto wake = Ref<FutureWake>::adopt(std::exchange(told, told->next_));
    if (Object future = wake->take_future()) due_.push_back(std::move(future));
  }
}

void LoopWaker::complete_due() {
  const bool was_completing = std::exchange(completes_, true);
  bool fine = true;
  while (fine && !due_.empty()) {
    const Object future = std::move(due_.front());
    due_.pop_front();
    fine = complete_loop_future(future.get());
  }
  completes_ = was_completing;
  if (!completes_) send();
  if (fine) return;
  raise_signal();
  throw Raised();
}

bool LoopWaker::complete_overdue(engine::SteadyMoment now) {
  if (timer_ > now + early) return false;  // It was set for an earlier moment since.
  timer_ = earliest_ = engine::SteadyMoment::max();
  for (FutureWake *wake = ends_[0], *next = nullptr; wake != nullptr; wake = next) {
    next = wake->neighbours_[1];
    if (wake->until_ <= now + early) {
      due_.push_back(wake->take_future());
    } else {
      earliest_ = std::min(earliest_, wake->until_);
    }
  }
  complete_due();
  return true;
}

std::optional<engine::SteadyMoment> LoopWaker::set_timer() noexcept {
  if (earliest_ >= timer_) return std::nullopt;
  return timer_ = earliest_;
}

void LoopWaker::close() noexcept {
  closed_.store(true, std::memory_order_seq_cst);
  drop_told();
  due_.clear();
  listening_.clear();
  while (!driven_.empty()) leave(driven_.back().descriptor);
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
  if (moment) call_loop(self, "call_later", "complete_overdue", seconds_until(*moment));
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
// Has the loop watch what there is to be watched.
void watch_fresh(PyObject* self, PyObject* loop) {
  LoopWaker& waker = *loop_waker_of(self);
  for (int number = waker.take_fresh(); number >= 0; number = waker.take_fresh()) {
    const Object call = Object::checked(PyObject_GetAttrString(self, "read"));
    if (!Object::owned(
            PyObject_CallMethod(loop, "add_reader", "iOi", number, call.get(), number))) {
      PyErr_Clear();  // A loop that watches no sockets, or too many.
      waker.leave(number);
    }
  }
}

// What the loop calls.
template <class Run>
PyObject* within_loop(PyObject* self, Run&& run) {
  return guarded([&] {
    const Object loop = referred(as_waker(self).loop);
    const RunsLoop here(loop.get());
    run(*loop_waker_of(self), loop.get());
    if (loop) watch_fresh(self, loop.get());
    return Object::shared(Py_None).release();
  });
}

PyObject* send(PyObject* self, PyObject*) {
  return within_loop(self, [](LoopWaker& waker, PyObject*) { waker.send(); });
}
PyObject* pass_on(PyObject* self, PyObject*) {
  return within_loop(self, [](LoopWaker& waker, PyObject*) { waker.pass_on(); });
}
PyObject* read(PyObject* self, PyObject* descriptor) {
  return within_loop(self, [&](LoopWaker& waker, PyObject* loop) {
    const int number = static_cast<int>(PyLong_AsLong(descriptor));
    if (waker.read(number)) return;
    const Object removed = Object::owned(
        loop == nullptr ? nullptr : PyObject_CallMethod(loop, "remove_reader", "O", descriptor));
    if (!removed) PyErr_Clear();  // The loop is closed.
    waker.forget(number);
  });
}
PyObject* complete_overdue(PyObject* self, PyObject*) {
  return within_loop(self, [&](LoopWaker& waker, PyObject*) {
    if (waker.complete_overdue(std::chrono::steady_clock::now())) keep_time(self);
  });
}

PyObject* close(PyObject* self, PyObject*) {
  loop_waker_of(self)->close();
  Py_RETURN_NONE;
}

PyMethodDef methods[] = {
    {"fileno", descriptor, METH_NOARGS, "What the loop watches for other threads."},
    {"send", send, METH_NOARGS, "Sends what was submitted."},
    {"read", read, METH_O, "Reads from this descriptor, and completes what that is for."},
    {"pass_on", pass_on, METH_NOARGS, "Completes the futures of what has completed."},
    {"complete_overdue", complete_overdue, METH_NOARGS,
     "Completes the futures whose time has come; the loop's timer calls it."},
    {"close", close, METH_NOARGS, "Lets go of what waits: the loop is closed."},
    {}};
PyType_Slot slots[] = {{Py_tp_doc, const_cast<char*>("What an event loop has to do with stores.")},
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

const void* known_waker(PyObject* loop) noexcept {
  if (loop == nullptr || latest == nullptr || referred(as_waker(latest).loop).get() != loop)
    return nullptr;
  return loop_waker_of(latest).get();
}

Object wait_on(PyObject* waker, FutureWake& wake, engine::SteadyMoment until, engine::Op* op) {
  Object loop = referred(as_waker(waker).loop);
  if (!loop) {
    PyErr_SetString(PyExc_RuntimeError, "the loop has gone");
    throw Raised();
  }
  const Object future = make_loop_future(std::move(loop));
  wake.wait_on(future, until);
  keep_time(waker);
  if (op == nullptr) return future;
  LoopWaker& there = *loop_waker_of(waker);
  const bool sends_soon = there.sends_soon();
  wake.listen_to(*op);
  if (!sends_soon) call_loop(waker, "call_soon", "send", std::nullopt);
  if (there.has_many()) there.send();
  return future;
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
