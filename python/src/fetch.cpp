// SPDX-License-Identifier: MIT
#include "fetch.hpp"

#include "loop_future.hpp"
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

}  // namespace

Fetch::~Fetch() {
  if (!leads_) return;
  PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
  PyErr_Fetch(&type, &value, &trace);
  miss_of(miss_.get()).give_up();
  PyErr_Restore(type, value, trace);
}

Fetch::Next Fetch::begin() {
  Miss& miss = miss_of(miss_.get());
  const Step step = miss.join();
  if (step != Step::lead) {
    const Object number = Object::checked(PyLong_FromLong(static_cast<long>(step)));
    return {.delegate = go_on_as("answer", miss_, number)};
  }
  if (!miss.start(loop_, true)) return {.result = miss.result()};
  leads_ = true;
  try {
    if (!miss.look_far(true)) return compute();
  } catch (const Raised&) {
    return fail();
  }
  return go_on();
}

Fetch::Next Fetch::go_on() {
  Miss& miss = miss_of(miss_.get());
  try {
    if (miss.step_far(loop_.get())) {
      Object future = miss.wake_far(waker_of(loop_).get());
      mark_as_yielded(future.get());
      return {.future = std::move(future)};
    }
    Object found = miss.take_far();
    if (!found) return compute();
    leads_ = false;
    return {.result = std::move(found)};
  } catch (const Raised&) {
    return fail();
  }
}

// The body runs inside of the flight, as far as the context knows. What comes before runs nothing
// of the user's that could wait for it, so the context does without: that took a fifteenth of a
// hit.
Fetch::Next Fetch::compute() {
  const Object token = enter_mark(miss_of(miss_.get()).mark().get());
  try {
    Object delegate = go_on_as("compute", miss_, token);
    leads_ = false;
    return {.delegate = std::move(delegate)};
  } catch (const Raised&) {
    const Exception why = Exception::take();
    leave_mark(token.get());
    why.rethrow();
  }
}

Fetch::Next Fetch::fail() {
  const Exception why = Exception::take();
  leads_ = false;
  if (Object stale = miss_of(miss_.get()).fail(why.value().get())) {
    return {.result = std::move(stale)};
  }
  why.rethrow();
}

int Fetch::traverse(visitproc visit, void* arg) const {
  Py_VISIT(miss_.get());
  Py_VISIT(loop_.get());
  return 0;
}

}  // namespace dcache::python
