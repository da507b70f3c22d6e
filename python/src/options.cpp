// SPDX-License-Identifier: MIT
#include "options.hpp"

#include "cache_object.hpp"
#include "errors.hpp"

namespace dcache::python {
namespace {

// Nothing where Python says None.
Object optional(PyObject* object) { return object == Py_None ? Object() : Object::shared(object); }

std::optional<Duration> optional_seconds(PyObject* object) {
  if (object == Py_None) return std::nullopt;
  return seconds_of(object);
}

Duration seconds(double count) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(count));
}

}  // namespace

Duration seconds_of(PyObject* number) {
  constexpr double most = 1e9;  // Thirty years: nanoseconds hold ten times that.
  const double count = PyFloat_AsDouble(number);
  if (PyErr_Occurred() != nullptr) throw Raised();
  if (count != count) {
    PyErr_SetString(errors.config, "dcache: a duration is not a number");
    throw Raised();
  }
  return seconds(std::clamp(count, -most, most));
}

std::optional<std::size_t> number_of(PyObject* object) {
  if (object == Py_None) return std::nullopt;
  const Py_ssize_t number = PyLong_AsSsize_t(object);
  if (number == -1 && PyErr_Occurred() != nullptr) throw Raised();
  return static_cast<std::size_t>(number);
}

Options read_options(PyObject* args, PyObject* kwargs, Object& wrapped, bool& method,
                     bool& binds_class) {
  static const char* const names[] = {
      "wrapped",  "maxsize",      "policy",       "coalesces", "raw",         "typing",
      "ttl",      "ttl_of",       "stale_for",    "wait",      "jitter",      "refresh_ahead",
      "cache_if", "cache_errors", "key",          "ignore",    "copies",      "on_background",
      "cache",    "clock",        "asynchronous", "method",    "binds_class", "flight_timeout",
      "identity", "far",          nullptr};
  PyObject *function = nullptr, *maxsize = Py_None, *ttl = Py_None, *ttl_of = Py_None,
           *wait = Py_None, *ahead = Py_None, *cache_if = Py_None, *cache_errors = Py_None,
           *key = Py_None, *ignore = Py_None, *on_background = Py_None, *cache = Py_None,
           *clock = Py_None, *identity = Py_None, *far = Py_None;
  int lru = 0, coalesces = 1, raw = 0, typing = 0, copies = 0, async = 0, is_method = 0,
      of_class = 0;
  double stale_for = 0, jitter = 0, flight_timeout = 30;
  if (PyArg_ParseTupleAndKeywords(
          args, kwargs, "O|$OpppiOOdOdOOOOOpOOOpppdOO", const_cast<char**>(names), &function,
          &maxsize, &lru, &coalesces, &raw, &typing, &ttl, &ttl_of, &stale_for, &wait, &jitter,
          &ahead, &cache_if, &cache_errors, &key, &ignore, &copies, &on_background, &cache, &clock,
          &async, &is_method, &of_class, &flight_timeout, &identity, &far) == 0) {
    throw Raised();
  }
  Options options;
  options.table.policy = lru != 0 ? Policy::lru : Policy::adaptive;
  options.table.entries_max = number_of(maxsize);
  options.keeps = options.table.entries_max != std::size_t{0};
  if (!options.keeps) options.table.entries_max = 1;
  options.table.clock = optional(clock);
  options.coalesces = coalesces != 0;
  options.raw = raw != 0;
  options.async = async != 0;
  options.copies = copies != 0;
  options.typing = static_cast<Typing>(typing);
  options.ttl = optional_seconds(ttl);
  options.ttl_of = optional(ttl_of);
  options.wait = optional_seconds(wait);
  options.freshness.stale_for = seconds(stale_for);
  options.freshness.jitter = jitter;
  if (ahead != Py_None) options.freshness.refresh_ahead = PyFloat_AsDouble(ahead);
  if (PyErr_Occurred() != nullptr) throw Raised();
  options.cache_if = optional(cache_if);
  options.cache_errors = optional(cache_errors);
  options.key = optional(key);
  options.ignore = optional(ignore);
  options.on_background = optional(on_background);
  if ((cache != Py_None && !is_shared_table(cache)) || (clock != Py_None && !is_clock(clock))) {
    PyErr_SetString(PyExc_TypeError, "cache must be a SharedTable, clock a ManualClock");
    throw Raised();
  }
  options.cache = optional(cache);
  options.identity = Object::shared(identity);
  options.far = optional(far);
  options.flight_timeout = seconds(flight_timeout);
  wrapped = Object::shared(function);
  method = is_method != 0;
  binds_class = of_class != 0;
  return options;
}

}  // namespace dcache::python
