// SPDX-License-Identifier: MIT
#include "fetch.hpp"

#include "loop_waker.hpp"
#include "miss.hpp"
#include "waiting.hpp"

namespace dcache::python {
namespace {

Object go_on_as(const char* coroutine, const Object& miss, const Object& argument) {
  const Object module = Object::checked(PyImport_ImportModule("dcache._async"));
  return Object::checked(
      PyObject_CallMethod(module.get(), coroutine, "OO", miss.get(), argument.get()));
}

// As `await` on it would yield it.
Object awaited_future(const Object& loop) {
  static PyObject* const create = PyUnicode_InternFromString("create_future");
  static PyObject* const blocks = PyUnicode_InternFromString("_asyncio_future_blocking");
  Object future = Object::checked(PyObject_CallMethodNoArgs(loop.get(), create));
  if (PyObject_SetAttr(future.get(), blocks, Py_True) != 0) throw Raised();
  return future;
}

}  // namespace

Fetch::~Fetch() {
  if (!token_) return;
  PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
  PyErr_Fetch(&type, &value, &trace);
  leave_context();
  miss_of(miss_.get()).give_up();
  PyErr_Restore(type, value, trace);
}

void Fetch::leave_context() noexcept {
  const Object token = std::exchange(token_, Object());
  if (token) leave_mark(token.get());
}

Fetch::Next Fetch::begin() {
  Miss& miss = miss_of(miss_.get());
  const Step step = miss.join();
  if (step != Step::lead) {
    const Object number = Object::checked(PyLong_FromLong(static_cast<long>(step)));
    return {.delegate = go_on_as("answer", miss_, number)};
  }
  const Object mark = miss.begin(loop_);
  if (!mark) return {.result = miss.result()};
  token_ = enter_mark(mark.get());
  try {
    if (!miss.look_far(true))
      return {.delegate = go_on_as("compute", miss_, std::exchange(token_, Object()))};
  } catch (const Raised&) {
    return fail();
  }
  return go_on();
}

Fetch::Next Fetch::go_on() {
  Miss& miss = miss_of(miss_.get());
  try {
    if (miss.step_far(loop_.get())) {
      Object future = awaited_future(loop_);
      miss.wake_far(future.get(), waker_of(loop_).get());
      return {.future = std::move(future)};
    }
    if (Object found = miss.take_far()) {
      leave_context();
      return {.result = std::move(found)};
    }
    return {.delegate = go_on_as("compute", miss_, std::exchange(token_, Object()))};
  } catch (const Raised&) {
    return fail();
  }
}

Fetch::Next Fetch::fail() {
  const Exception why = Exception::take();
  leave_context();
  if (Object stale = miss_of(miss_.get()).fail(why.value().get())) {
    return {.result = std::move(stale)};
  }
  why.rethrow();
}

int Fetch::traverse(visitproc visit, void* arg) const {
  Py_VISIT(miss_.get());
  Py_VISIT(loop_.get());
  Py_VISIT(token_.get());
  return 0;
}

}  // namespace dcache::python
