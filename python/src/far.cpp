// SPDX-License-Identifier: MIT
#include "far.hpp"

#include <cstdlib>
#include <utility>

#include "canonical.hpp"
#include "errors.hpp"
#include "failure.hpp"
#include "function.hpp"
#include "mode.hpp"
#include "value_classes.hpp"
#include "value_reader.hpp"
#include "value_writer.hpp"

namespace dcache::python {

std::uint32_t far_epoch = 1;

namespace {

// The package, which says things in words.
template <class... Args>
Object ask_package(const char* what, const char* format, Args... args) {
  const Object module = Object::checked(PyImport_ImportModule("dcache._far"));
  return Object::checked(PyObject_CallMethod(module.get(), what, format, args...));
}

// A warning that was made an exception is no reason to fail the caller.
void warn_near(Function& function) {
  const Exception why = Exception::take();
  try {
    ask_package("warn_stays_near", "OO", function.wrapped().get(), why.value().get());
  } catch (const Raised&) {
    PyErr_WriteUnraisable(function.self());
  }
}

}  // namespace

bool may_have_far_default() noexcept {
  if (far_epoch != 1) return true;  // Somebody has configured something.
  const char* const url = std::getenv("DCACHE_URL");
  return url != nullptr && *url != '\0';
}

FarFlight::FarFlight(Function& function, const Call& call) : function_(function), asked_(call) {
  const Object side = function.far_side();
  const Far* const far = side ? far_of(side.get()) : nullptr;
  if (far == nullptr || !far_mode().reads) return;
  Canonical canonical;
  Object program;
  try {
    function.append_arguments(canonical, call.args(), call.count(), call.names());
    if (canonical.names_main()) {
      program = ask_package("program_of", "O", function.wrapped().get());
    }
  } catch (const Raised&) {
    if (far->named || PyErr_ExceptionMatches(errors.unkeyable) == 0) throw;
    warn_near(function);
    return;
  }
  std::string_view tells;
  if (program) {
    tells = {PyBytes_AS_STRING(program.get()),
             static_cast<std::size_t>(PyBytes_GET_SIZE(program.get()))};
  }
  far_ = far;
  owner_ = side;
  call_.emplace(far->function, far->function->key(canonical.bytes(), tells));
}

engine::Walk FarFlight::look(const std::atomic<bool>* detached, Sight sight, bool waits) {
  sight_ = sight;
  detached_ = detached;
  engine::FarCall::Look how;
  how.accept = [this, detached](const engine::Record& record, engine::WallTime now) {
    return take(record, now, true, detached);
  };
  how.reads = sight == Sight::all;
  how.writes = far_mode().writes;
  // A thread that runs an event loop never waits for another process's computation.
  const bool may_wait = function_.options().async || !running_loop();
  how.leases = sight == Sight::background || (sight == Sight::all && may_wait);
  waits = waits && sight == Sight::all;
  how.patience = waits ? engine::patience(function_.limits(), 0) : Duration(0);
  how.detached = detached;
  return call_->look(std::move(how));
}

engine::Walk FarFlight::prepare() {
  engine::FarCall::Look how;
  how.reads = false;
  how.computes = false;
  how.writes = far_mode().writes;
  return call_->look(std::move(how));
}

engine::Walk FarFlight::peek(bool explains) {
  engine::FarCall::Look how;
  how.accept = [this](const engine::Record& record, engine::WallTime now) {
    return take(record, now, false, nullptr);
  };
  how.writes = false;
  how.explains = explains;
  return call_->look(std::move(how));
}

// Runs within a walk, which has no interpreter.
engine::RecordFault FarFlight::take(const engine::Record& record, engine::WallTime now, bool keeps,
                                    const std::atomic<bool>* detached) {
  auto fault = engine::RecordFault::none;
  with_interpreter([&] {
    try {
      Object value;
      fault = decode(record, value);
      if (fault != engine::RecordFault::none) return;
      if (keeps) function_.keep_found(asked_, value.get(), record.times, now, *far_, detached);
      const Options& options = function_.options();
      const auto& ahead = options.freshness.refresh_ahead;
      // With `wait` set a stale result is served at once, and refreshed in the background.
      const bool fresh = record.times.fresh_at(now);
      const bool serves = fresh || (keeps && options.wait);
      if (serves && !fresh) ++function_.count().stale;
      refresh_due_ = serves && (!fresh || now >= engine::refresh_time(record.times, ahead));
      (serves ? found_ : stale_) = std::move(value);
    } catch (const Raised&) {
      raised_ = Exception::take();
      fault = engine::RecordFault::mismatch;
    }
  });
  return fault;
}

engine::RecordFault FarFlight::decode(const engine::Record& record, Object& value) const {
  if (record.codec != far_->codec_name) return engine::RecordFault::unknown_codec;
  if (far_->is_plain) {
    ValueReader reader(record.payload, classes_of(far_->codec.get()));
    value = reader.read();
    return value ? engine::RecordFault::none : reader.fault();
  }
  value =
      Object::owned(PyObject_CallMethod(far_->codec.get(), "decode", "y#", record.payload.data(),
                                        static_cast<Py_ssize_t>(record.payload.size())));
  if (value) return engine::RecordFault::none;
  if (PyErr_ExceptionMatches(PyExc_Exception) == 0) throw Raised();
  PyErr_Clear();
  return engine::RecordFault::mismatch;
}

// False: an error is set, which says why it has no form.
bool FarFlight::encode(PyObject* result, std::string& bytes) const {
  Object encoded;
  if (far_->is_plain) {
    ValueWriter writer(classes_of(far_->codec.get()));
    try {
      encoded = writer.write(result);
    } catch (const Raised&) {
      return false;
    }
    if (!encoded) raise_unstorable(result, writer.refused().get(), writer.knows_refused());
  } else {
    encoded = Object::owned(PyObject_CallMethod(far_->codec.get(), "encode", "O", result));
    if (encoded && PyBytes_Check(encoded.get()) == 0) {
      PyErr_Format(errors.unstorable, "dcache: encode of the codec returned a %s; expected bytes",
                   Py_TYPE(encoded.get())->tp_name);
      return false;
    }
  }
  if (!encoded) return false;
  bytes.assign(PyBytes_AS_STRING(encoded.get()),
               static_cast<std::size_t>(PyBytes_GET_SIZE(encoded.get())));
  return true;
}

std::optional<engine::Walk> FarFlight::store(PyObject* result, const Life& life,
                                             const std::atomic<bool>* detached, bool explicitly) {
  if (!far_mode().writes || is_failure(result)) return std::nullopt;
  engine::FarCall::Result stored;
  if (!encode(result, stored.payload)) {
    if (PyErr_ExceptionMatches(PyExc_Exception) == 0) throw Raised();
    if (far_->unstorable == Unstorable::raise) {
      const Exception why = Exception::take();
      ask_package("raise_unstorable", "OOO", function_.wrapped().get(), result, why.value().get());
    }
    if (far_->unstorable == Unstorable::warn) {
      warn_near(function_);
    } else {
      PyErr_Clear();
    }
    // What was there before is not to come back.
    if (explicitly || sight_ != Sight::all) return call_->erase();
    return std::nullopt;
  }
  stored.replaces = sight_ != Sight::all;
  stored.codec = far_->codec_name;
  stored.times = engine::times_of(far_->function->chain().now(), life.ttl,
                                  function_.options().freshness.stale_for, cost_);
  return explicitly ? call_->put(std::move(stored)) : call_->store(std::move(stored), detached);
}

Object FarFlight::stale_instead() {
  const bool gone = detached_ != nullptr && detached_->load(std::memory_order_acquire);
  if (!stale_ || gone) return Object();
  served_stale_ = true;
  ++function_.count().stale;
  return stale_;
}

Object FarFlight::found() {
  if (raised_) std::exchange(raised_, std::nullopt)->rethrow();
  return found_;
}

// --- Driving ---

bool step(engine::Walk& walk) {
  try {
    return walk.step();
  } catch (const std::exception&) {
    raise_from(std::current_exception());
  }
}

void drive(engine::Walk walk) {
  constexpr std::chrono::milliseconds slice{50};  // Ctrl-C is answered within it.
  bool waits = false, ended = false;
  while (!ended) {
    std::exception_ptr error;
    PyThreadState* const state = PyEval_SaveThread();
    const auto look_up = std::chrono::steady_clock::now() + slice;
    try {
      while (!ended && !(waits && !walk.wait(look_up))) {
        ended = walk.step();
        waits = true;
      }
    } catch (...) {
      error = std::current_exception();
    }
    unwound_by_nobody([&] { PyEval_RestoreThread(state); });
    if (error != nullptr) raise_from(error);
    if (!ended && PyErr_CheckSignals() != 0) throw Raised();
  }
}

}  // namespace dcache::python
