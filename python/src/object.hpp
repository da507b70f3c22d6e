// SPDX-License-Identifier: MIT
/// The interpreter's objects as C++ values. Everything here REQUIRES the interpreter's lock.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <cstddef>
#include <utility>

#include <Python.h>
// After Python.h, on which it depends.
#include <structmember.h>

namespace dcache::python {

/// Thrown where the interpreter's error indicator is set. It carries nothing: the error stays where
/// the interpreter keeps it until the boundary (`guarded`) hands it over.
struct Raised {};

/// A counted reference, or none.
class Object {
 public:
  constexpr Object() noexcept = default;
  constexpr Object(std::nullptr_t) noexcept {}
  /// Takes over a reference that the caller owns; may be null.
  static Object owned(PyObject* object) noexcept { return Object(object); }
  /// One more reference; may be null.
  static Object shared(PyObject* object) noexcept {
    Py_XINCREF(object);
    return Object(object);
  }
  /// What an API call returned: null is an exception.
  static Object checked(PyObject* object) {
    if (object == nullptr) throw Raised();
    return Object(object);
  }

  Object(const Object& other) noexcept : object_(other.object_) { Py_XINCREF(object_); }
  Object(Object&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Object& operator=(Object other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Object() { Py_XDECREF(object_); }

  explicit operator bool() const noexcept { return object_ != nullptr; }
  PyObject* get() const noexcept { return object_; }
  PyObject* release() noexcept { return std::exchange(object_, nullptr); }

 private:
  explicit Object(PyObject* object) noexcept : object_(object) {}

  PyObject* object_ = nullptr;
};

/// An exception taken out of the interpreter, to be raised again later, perhaps by others.
class Exception {
 public:
  Exception() noexcept = default;
  Exception(Object value, Object trace) noexcept
      : value_(std::move(value)), trace_(std::move(trace)) {}

  const Object& value() const noexcept { return value_; }
  const Object& trace() const noexcept { return trace_; }

  /// Takes the one that is raised now. REQUIRES: one is.
  static Exception take() noexcept {
    PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    if (trace != nullptr) PyException_SetTraceback(value, trace);
    Exception exception;
    exception.value_ = Object::owned(value);
    exception.trace_ = Object::owned(trace);
    Py_XDECREF(type);
    return exception;
  }

  /// Raises it with the traceback that it had when it was taken: of those who raise one exception,
  /// each would else lengthen the traceback of the others.
  void raise() const noexcept {
    if (trace_) PyException_SetTraceback(value_.get(), trace_.get());
    auto* type = reinterpret_cast<PyObject*>(Py_TYPE(value_.get()));
    PyErr_Restore(Object::shared(type).release(), Object(value_).release(),
                  Object(trace_).release());
  }
  [[noreturn]] void rethrow() const {
    raise();
    throw Raised();
  }

 private:
  Object value_;
  Object trace_;
};

/// Throws `Raised`.
/// What a weak reference is to; null: it is gone.
inline Object referred(PyObject* weak) {
#if PY_VERSION_HEX >= 0x030D0000
  PyObject* object = nullptr;
  if (PyWeakref_GetRef(weak, &object) < 0) throw Raised();
  return Object::owned(object);
#else
  PyObject* const object = PyWeakref_GetObject(weak);
  return object == Py_None ? Object() : Object::shared(object);
#endif
}

inline void append(const Object& list, const Object& item) {
  if (PyList_Append(list.get(), item.get()) != 0) throw Raised();
}
inline Object truth(bool holds) noexcept { return Object::shared(holds ? Py_True : Py_False); }

}  // namespace dcache::python
