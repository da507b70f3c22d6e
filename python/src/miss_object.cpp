// SPDX-License-Identifier: MIT
// A `Miss` as Python sees it.
#include <memory>
#include <new>

#include "function_object.hpp"
#include "guarded.hpp"
#include "miss.hpp"

namespace dcache::python {
namespace {

struct MissObject {
  PyObject_HEAD Miss* miss;
};

template <class Run>
PyObject* on(PyObject* self, Run&& run) {
  return guarded([&] { return run(miss_of(self)).release(); });
}

Object step(Step step) { return Object::checked(PyLong_FromLong(static_cast<long>(step))); }
Object none() { return Object::shared(Py_None); }

PyObject* join(PyObject* self, PyObject*) {
  return on(self, [](Miss& miss) { return step(miss.join()); });
}
PyObject* restart(PyObject* self, PyObject*) {
  return on(self, [](Miss& miss) { return step(miss.restart()); });
}
PyObject* enlist(PyObject* self, PyObject*) {
  return on(self, [](Miss& miss) { return step(miss.enlist()); });
}
PyObject* look(PyObject* self, PyObject*) {
  return on(self, [](Miss& miss) { return step(miss.look()); });
}
PyObject* wait_on(PyObject* self, PyObject* future) {
  return on(self, [&](Miss& miss) {
    miss.wait_on(future);
    return none();
  });
}
PyObject* leave(PyObject* self, PyObject*) {
  return on(self, [](Miss& miss) {
    miss.leave();
    return none();
  });
}
PyObject* patience(PyObject* self, PyObject*) {
  return on(self, [](Miss& miss) { return Object::checked(PyFloat_FromDouble(miss.patience())); });
}
PyObject* there(PyObject* self, PyObject*) {
  return on(self, [](Miss& miss) {
    Object found = miss.there();
    return found ? found : Object::shared(missing);
  });
}
PyObject* begin(PyObject* self, PyObject*) {
  return on(self, [](Miss& miss) { return miss.start(running_loop()) ? miss.mark() : none(); });
}
PyObject* body(PyObject* self, PyObject*) {
  return on(self, [](Miss& miss) { return miss.body(); });
}
PyObject* mark_of(PyObject*, PyObject* misses) {
  return guarded([&] { return Miss::mark_of(misses).release(); });
}
PyObject* body_before(PyObject* self, PyObject* idle) {
  return on(self, [&](Miss& miss) { return miss.body_before(idle); });
}
PyObject* land(PyObject* self, PyObject* result) {
  return on(self, [&](Miss& miss) { return miss.land(result); });
}
PyObject* step_far(PyObject* self, PyObject* loop) {
  return on(self, [&](Miss& miss) {
    if (!miss.step_far(loop == Py_None ? nullptr : loop)) return none();
    return Object::checked(PyFloat_FromDouble(miss.far_patience()));
  });
}
PyObject* wake_far(PyObject* self, PyObject* waker) {
  return on(self, [&](Miss& miss) {
    if (!is_loop_waker(waker)) {
      PyErr_SetString(PyExc_TypeError, "expected a LoopWaker");
      throw Raised();
    }
    return miss.wake_far(waker);
  });
}
// A tuple with the result, or None.
PyObject* take_far(PyObject* self, PyObject*) {
  return on(self, [](Miss& miss) {
    const Object found = miss.take_far();
    return found ? Object::checked(PyTuple_Pack(1, found.get())) : none();
  });
}
PyObject* look_far(PyObject* self, PyObject* waits) {
  return on(self, [&](Miss& miss) { return truth(miss.look_far(waits == Py_True)); });
}
PyObject* gather(PyObject* self, PyObject* misses) {
  return on(self, [&](Miss& miss) {
    miss.gather(misses);
    return none();
  });
}
PyObject* drive_far(PyObject* self, PyObject*) {
  return on(self, [](Miss& miss) {
    miss.drive_far();
    return none();
  });
}
PyObject* busy_far(PyObject* self, PyObject*) {
  return on(self, [](Miss& miss) { return truth(miss.busy_far()); });
}
PyObject* leads(PyObject* self, PyObject*) {
  return on(self, [](Miss& miss) { return truth(miss.leads()); });
}
PyObject* awaited(PyObject* self, PyObject*) {
  return on(self, [](Miss& miss) { return truth(miss.awaited()); });
}
PyObject* give_up(PyObject* self, PyObject*) {
  return on(self, [](Miss& miss) {
    miss.give_up();
    return none();
  });
}
template <bool (Miss::*Step)()>
PyObject* whether(PyObject* self, PyObject*) {
  return on(self, [](Miss& miss) { return truth((miss.*Step)()); });
}
template <bool (Miss::*Step)(PyObject*)>
PyObject* whether_of(PyObject* self, PyObject* value) {
  return on(self, [&](Miss& miss) { return truth((miss.*Step)(value)); });
}
PyObject* put_near(PyObject* self, PyObject* value) {
  return on(self, [&](Miss& miss) {
    miss.put_near(value);
    return none();
  });
}
PyObject* peeked(PyObject* self, PyObject*) {
  return on(self, [](Miss& miss) {
    const Object found = miss.peeked();
    return found ? found : Object::shared(missing);
  });
}
// A tuple with the result to serve, or None.
PyObject* fail(PyObject* self, PyObject* error) {
  return on(self, [&](Miss& miss) {
    const Object stale = miss.fail(error);
    return stale ? Object::checked(PyTuple_Pack(1, stale.get())) : none();
  });
}
PyObject* result(PyObject* self, PyObject*) {
  return on(self, [](Miss& miss) { return miss.result(); });
}
PyObject* run(PyObject* self, PyObject*) {
  return on(self, [](Miss& miss) {
    miss.run();
    return none();
  });
}
PyObject* function(PyObject* self, void*) {
  return on(self, [](Miss& miss) { return Object::shared(miss.function().wrapped().get()); });
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  const Miss* const miss = reinterpret_cast<MissObject*>(self)->miss;
  return miss == nullptr ? 0 : miss->traverse(visit, arg);
}

void dealloc(PyObject* self) {
  PyObject_GC_UnTrack(self);
  delete reinterpret_cast<MissObject*>(self)->miss;
  PyObject_GC_Del(self);
}

PyMethodDef methods[] = {
    {"join", join, METH_NOARGS, "Joins the flight of this call, or leads a new one."},
    {"restart", restart, METH_NOARGS, "Leads a new flight; what runs is detached."},
    {"enlist", enlist, METH_NOARGS, "Waits for a flight that it knows."},
    {"wait_on", wait_on, METH_O, "Wakes this future when there is news."},
    {"look", look, METH_NOARGS, "What there is to do, now that it is awake."},
    {"leave", leave, METH_NOARGS, "Waits no longer."},
    {"patience", patience, METH_NOARGS, "After how many seconds a look is worth while."},
    {"there", there, METH_NOARGS, "What the table has for this call, stale or not, or MISSING."},
    {"begin", begin, METH_NOARGS, "The mark for the context of the body; None: it has landed."},
    {"mark_of", mark_of, METH_O | METH_STATIC,
     "The mark for the context of bodies while these misses, a list, are led."},
    {"body", body, METH_NOARGS, "Calls the body."},
    {"body_before", body_before, METH_O,
     "Calls the body. What it asks for may be among these misses, a list: they are given up then."},
    {"look_far", look_far, METH_O,
     "Whether far tiers are to be asked: step_far(). The argument: whether to wait for others."},
    {"gather", gather, METH_O, "The way of these misses is part of its own."},
    {"drive_far", drive_far, METH_NOARGS, "Steps to the end, on this thread."},
    {"busy_far", busy_far, METH_NOARGS, "Whether another process computes it."},
    {"leads", leads, METH_NOARGS, "Whether it was not given up."},
    {"awaited", awaited, METH_NOARGS, "Whether somebody in this process waits for it."},
    {"give_up", give_up, METH_NOARGS, "Whoever waits leads."},
    {"store_far", whether_of<&Miss::store_far>, METH_O,
     "Whether they are to be given this: step_far()."},
    {"step_far", step_far, METH_O,
     "Seconds to wait; None: it has ended. The argument: the loop of this task, or None."},
    {"wake_far", wake_far, METH_O,
     "A future of the loop of this LoopWaker: done when there is something to step through."},
    {"take_far", take_far, METH_NOARGS, "(result,) that far tiers had, landed; or None."},
    {"detach", whether<&Miss::detach>, METH_NOARGS, "What runs is stored nowhere."},
    {"erase_far", whether<&Miss::erase_far>, METH_NOARGS, "Whether to step_far through that."},
    {"erase_near", whether<&Miss::erase_near>, METH_NOARGS, "Whether there was something."},
    {"prepare_far", whether<&Miss::prepare_far>, METH_NOARGS, "Before put_far: step_far."},
    {"put_far", whether_of<&Miss::put_far>, METH_O, "Whether to step_far through that."},
    {"put_near", put_near, METH_O, "Keeps it here."},
    {"peek_far", whether<&Miss::peek_far>, METH_NOARGS, "Whether to step_far through that."},
    {"peeked", peeked, METH_NOARGS, "What a call would return without computing, or MISSING."},
    {"land", land, METH_O, "Hands the result to everybody; returns it as the caller gets it."},
    {"fail", fail, METH_O,
     "Hands the exception to everybody; returns (result,) to serve, or None."},
    {"result", result, METH_NOARGS, "What the flight came to."},
    {"run", run, METH_NOARGS, "Runs a plain function that this leads."},
    {}};

PyGetSetDef properties[] = {{"function", function, nullptr, "What is called.", nullptr}, {}};

PyTypeObject miss_type = [] {
  PyTypeObject type{};
  type.ob_base = {PyObject_HEAD_INIT(nullptr) 0};
  type.tp_name = "dcache._engine.Miss";
  type.tp_basicsize = sizeof(MissObject);
  type.tp_dealloc = dealloc;
  type.tp_traverse = traverse;
  type.tp_methods = methods;
  type.tp_getset = properties;
  type.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC;
  type.tp_doc = "A call whose result is not at hand.";
  return type;
}();

}  // namespace

Object make_miss(Function& function, PyObject* const* args, Py_ssize_t count, PyObject* names,
                 const Question* hashed) {
  auto miss = std::make_unique<Miss>(function, args, count, names, hashed);
  auto* const object = PyObject_GC_New(MissObject, &miss_type);
  if (object == nullptr) throw Raised();
  object->miss = miss.release();
  PyObject_GC_Track(object);
  return Object::owned(reinterpret_cast<PyObject*>(object));
}

Miss& miss_of(PyObject* object) noexcept { return *reinterpret_cast<MissObject*>(object)->miss; }

bool prepare_miss() { return PyType_Ready(&miss_type) == 0; }

}  // namespace dcache::python
