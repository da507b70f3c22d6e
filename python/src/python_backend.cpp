// SPDX-License-Identifier: MIT
#include "python_backend.hpp"

#include <atomic>
#include <new>

#include "dcache/error.hpp"

#include "guarded.hpp"
#include "waiting.hpp"

namespace dcache::python {
namespace {

using engine::Op;
using engine::Reply;

struct OpObject {
  PyObject_HEAD engine::Ref<Op> op;
};

PyTypeObject* type_of_op = nullptr;

engine::Ref<Op>& op_of(PyObject* self) noexcept { return reinterpret_cast<OpObject*>(self)->op; }

// What Python says once is said; a second time is nobody's business.
engine::Ref<Op> take_op(PyObject* self) noexcept { return std::exchange(op_of(self), {}); }

Object make_op_object(const engine::Ref<Op>& op) {
  Object self = Object::checked(type_of_op->tp_alloc(type_of_op, 0));
  new (&op_of(self.get())) engine::Ref<Op>(op);
  return self;
}

void destroy(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  if (const engine::Ref<Op> op = take_op(self)) op->fail("nobody answered");
  op_of(self).~Ref();
  type->tp_free(self);
  Py_DECREF(type);
}

std::string text_of_error() {
  const Exception error = Exception::take();
  const Object text = Object::owned(PyObject_Str(error.value().get()));
  const char* const said = text ? PyUnicode_AsUTF8(text.get()) : nullptr;
  if (said == nullptr) PyErr_Clear();
  return std::string(Py_TYPE(error.value().get())->tp_name) + ": " + (said ? said : "?");
}

// (verb, [(key, value, expires or None), ...])
PyObject* questions(PyObject* self, PyObject*) {
  return guarded([&]() -> PyObject* {
    const engine::Ref<Op>& op = op_of(self);
    Object items = Object::checked(PyList_New(0));
    for (const engine::Item& item : op ? op->items : std::vector<engine::Item>()) {
      const Object expires =
          item.expires == engine::no_end
              ? Object::shared(Py_None)
              : Object::checked(PyFloat_FromDouble(static_cast<double>(item.expires) / 1e6));
      const Object question = Object::checked(Py_BuildValue(
          "(s#y#O)", item.key.data(), static_cast<Py_ssize_t>(item.key.size()), item.value.data(),
          static_cast<Py_ssize_t>(item.value.size()), expires.get()));
      append(items, question);
    }
    return Py_BuildValue("(iO)", op ? static_cast<int>(op->verb()) : -1, items.get());
  });
}

PyObject* abandoned(PyObject* self, PyObject*) {
  const engine::Ref<Op>& op = op_of(self);
  return PyBool_FromLong(op && op->abandoned() ? 1 : 0);
}

// A list with a (reply, value) for each question, value being bytes or None.
PyObject* complete(PyObject* self, PyObject* replies) {
  return guarded([&]() -> PyObject* {
    const engine::Ref<Op> op = take_op(self);
    if (!op) Py_RETURN_NONE;
    for (Py_ssize_t i = 0; i < PyList_Size(replies); ++i) {
      int reply = 0;
      PyObject* value = nullptr;
      if (PyArg_ParseTuple(PyList_GET_ITEM(replies, i), "iO", &reply, &value) == 0) {
        op->fail(text_of_error());
        Py_RETURN_NONE;
      }
      engine::Item& item = op->items[static_cast<std::size_t>(i)];
      item.reply = static_cast<Reply>(reply);
      if (value == Py_None) continue;
      Py_buffer lent;
      if (PyObject_GetBuffer(value, &lent, PyBUF_SIMPLE) != 0) {
        op->fail(text_of_error());
        Py_RETURN_NONE;
      }
      item.value.assign(static_cast<const char*>(lent.buf), static_cast<std::size_t>(lent.len));
      PyBuffer_Release(&lent);
    }
    op->complete();
    Py_RETURN_NONE;
  });
}

PyObject* fail(PyObject* self, PyObject* why) {
  return guarded([&]() -> PyObject* {
    const engine::Ref<Op> op = take_op(self);
    const char* const text = PyUnicode_AsUTF8(why);
    if (text == nullptr) PyErr_Clear();
    if (op) op->fail(text == nullptr ? "?" : text);
    Py_RETURN_NONE;
  });
}

PyMethodDef methods[] = {{"questions", questions, METH_NOARGS, "The verb, and what it is about."},
                         {"abandoned", abandoned, METH_NOARGS, "Whether nobody waits any more."},
                         {"complete", complete, METH_O, "The replies."},
                         {"fail", fail, METH_O, "It did not work, and why."},
                         {}};
PyType_Slot slots[] = {{Py_tp_doc, const_cast<char*>("An operation on a backend.")},
                       {Py_tp_dealloc, reinterpret_cast<void*>(destroy)},
                       {Py_tp_methods, methods},
                       {0, nullptr}};
PyType_Spec spec = {"dcache._engine.Op", sizeof(OpObject), 0, Py_TPFLAGS_DEFAULT, slots};

class PythonBackend final : public engine::Backend {
 public:
  PythonBackend(Object weak_adapter, std::string name, engine::Capabilities can, Spans spans)
      : weak_adapter_(std::move(weak_adapter)), name_(std::move(name)), can_(can), spans_(spans) {}

  std::string name() const override { return name_; }
  engine::Capabilities capabilities() const noexcept override { return can_; }
  std::chrono::nanoseconds budget() const noexcept override { return spans_.budget; }
  std::chrono::nanoseconds near_ttl() const noexcept override { return spans_.near_ttl; }
  std::chrono::nanoseconds mark_ttl() const noexcept override { return spans_.mark_ttl; }

  void submit(const engine::Ref<Op>& op) noexcept override {
    if (closed_.load()) return op->fail(name_ + " is closed", true);
    if (Py_IsInitialized() == 0) return op->fail("the interpreter has ended");
    with_interpreter([&] {
      PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
      PyErr_Fetch(&type, &value, &trace);
      try {
        const Object adapter = referred(weak_adapter_.get());
        if (!adapter) {
          op->fail(name_ + " is gone", true);
        } else {
          ask(adapter, op);
        }
      } catch (const Raised&) {
        op->fail(text_of_error());
      }
      PyErr_Restore(type, value, trace);
    });
  }

  void check() override {
    std::string why;
    with_interpreter([&] {
      if (!call("check")) why = text_of_error();
    });
    if (!why.empty()) throw TierError("dcache: " + name_ + " cannot be used: " + why);
  }

  void close() noexcept override {
    closed_.store(true);
    with_interpreter([&] {
      if (!call("close")) PyErr_Clear();
    });
  }

 private:
  // Throws `Raised` before the operation is anybody's.
  void ask(const Object& adapter, const engine::Ref<Op>& op) const {
    const Object object = make_op_object(op);
    const Object answer = Object::owned(unwound_by_nobody(
        [&] { return PyObject_CallMethod(adapter.get(), "submit", "O", object.get()); }));
    if (answer) return;
    const engine::Ref<Op> left = take_op(object.get());
    const std::string why = text_of_error();
    if (left) left->fail(why);
  }
  // False: an error is set.
  bool call(const char* method) const noexcept {
    try {
      const Object adapter = referred(weak_adapter_.get());
      if (!adapter) return true;
      return static_cast<bool>(Object::owned(PyObject_CallMethod(adapter.get(), method, nullptr)));
    } catch (const Raised&) {
      return false;
    }
  }

  const Kept weak_adapter_;
  const std::string name_;
  const engine::Capabilities can_;
  const Spans spans_;
  std::atomic<bool> closed_{false};
};

}  // namespace

std::shared_ptr<engine::Backend> make_python_backend(const Object& adapter, std::string name,
                                                     engine::Capabilities can, Spans spans) {
  Object weak = Object::checked(PyWeakref_NewRef(adapter.get(), nullptr));
  return std::make_shared<PythonBackend>(std::move(weak), std::move(name), can, spans);
}

bool prepare_python_backend(PyObject* module) {
  type_of_op = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  return type_of_op != nullptr &&
         PyModule_AddObjectRef(module, "Op", reinterpret_cast<PyObject*>(type_of_op)) == 0;
}

}  // namespace dcache::python
