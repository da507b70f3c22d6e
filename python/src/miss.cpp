// SPDX-License-Identifier: MIT
#include "miss.hpp"

#include <algorithm>
#include <utility>

#include "dcache/engine/idle_flights.hpp"

#include "errors.hpp"
#include "failure.hpp"
#include "solo.hpp"

namespace dcache::python {
namespace {

engine::SteadyTime now() noexcept { return std::chrono::steady_clock::now(); }

Call make_call(Function& function, const Spelling& spelling, const Question* hashed) {
  PyObject* const* const args = spelling.args();
  // Bound anew, unless the arguments are bound as they are spelled.
  if (hashed == nullptr || !function.signature().exact(spelling.count(), spelling.names())) {
    return {function, args, spelling.count(), spelling.names()};
  }
  const Arguments arguments(args, spelling.count(), hashed->arguments().weak_at());
  return {function, args, spelling.count(), spelling.names(), arguments, hashed->hash()};
}

}  // namespace

// --- The waiting task ---

void TaskWaiter::landed() noexcept {
  told_ = Told::landed;
  with_interpreter([this] { wake(); });
  release();
}

bool TaskWaiter::lead() noexcept {
  bool leads = false;
  with_interpreter([&] {
    told_ = declines_ ? Told::declined : Told::lead;
    leads = !gone_ && wake() && !declines_;
    if (!leads && told_ == Told::lead) told_ = Told::nothing;
  });
  release();
  return leads;
}

void TaskWaiter::wait_on(Object future) {
  future_ = Kept(std::move(future));
  if (told_ != Told::nothing) wake();
}

namespace {

// False: there is nobody to wake, because his loop is closed or he is cancelled.
bool wake_future(const Object& future) {
  PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
  PyErr_Fetch(&type, &value, &trace);
  bool woken = false;
  if (const Object module = Object::owned(PyImport_ImportModule("dcache._async"))) {
    // Here, so that no object is let go of while a thread is being ended: it has no lock then.
    const Object answer = Object::owned(unwound_by_nobody(
        [&] { return PyObject_CallMethod(module.get(), "wake", "O", future.get()); }));
    woken = answer.get() == Py_True;
  }
  PyErr_Restore(type, value, trace);
  return woken;
}

}  // namespace

bool TaskWaiter::wake() {
  if (gone_ || future_.get() == nullptr) return !gone_;
  return wake_future(std::exchange(future_, Kept(Object())).object());
}

// --- The steps ---

Miss::Miss(Function& function, PyObject* const* args, Py_ssize_t count, PyObject* names,
           const Question* hashed)
    : owner_(Object::shared(function.self())),
      function_(function),
      spelling_(args, count, names),
      call_(make_call(function, spelling_, hashed)) {}

Step Miss::join() {
  const Question& question = call_.question();
  begun_ = now();
  auto joined = function_.flights().join(
      question.hash(), question, [this] { return function_.flight_key(call_); }, begun_);
  if (!joined.leader) {
    flight_ = std::move(joined.flight);
    return enlist();
  }
  leadership_ = engine::Leadership<Running>(function_.flights(), std::move(joined.flight));
  if (looked_ && !question.asked()) return Step::lead;
  Object suspect;
  Object found = function_.find_fresh(question, function_.far_side() ? &suspect : nullptr);
  if (!found) return Step::lead;
  finish(engine::Outcome<Kept>::of(Kept(std::move(found))), false);
  return Step::landed;
}

Step Miss::restart() {
  restarted_ = true;
  const Question& question = call_.question();
  auto flight = function_.flights().restart(
      question.hash(), question, [this] { return function_.flight_key(call_); }, now());
  leadership_ = engine::Leadership<Running>(function_.flights(), std::move(flight));
  ++function_.count().refreshes;
  return Step::lead;
}

Step Miss::enlist() {
  const engine::Context::Adopt adopted(Solo::context());
  looked_ = false;
  waiter_ = engine::make_ref<TaskWaiter>(declines_);
  waiter_->retain();  // For the flight, which lets go of it when it tells.
  const engine::Joining joining = flight_->enlist(*waiter_);
  if (joining == engine::Joining::waiting) return Step::wait;
  waiter_->release();
  waiter_ = {};
  switch (joining) {
    case engine::Joining::landed:
      return Step::landed;
    case engine::Joining::compute_through:
      return Step::through;
    default:
      return Step::again;
  }
}

Step Miss::look() {
  if (waiter_->told() == TaskWaiter::Told::nothing) {
    abandon_for_closed_loop(function_.flights(), *flight_);
  }
  switch (waiter_->told()) {
    case TaskWaiter::Told::landed:
      return Step::landed;
    case TaskWaiter::Told::lead:
      leadership_ = engine::Leadership<Running>(function_.flights(), flight_);
      waiter_ = {};
      return Step::lead;
    case TaskWaiter::Told::declined:
      return Step::again;
    case TaskWaiter::Told::nothing:
      break;
  }
  if (declines_) return Step::wait;
  switch (flight_->try_take_over(*waiter_, function_.limits(), now())) {
    case engine::Turn::keep_waiting:
      return Step::wait;
    case engine::Turn::take_over:
      waiter_->release();
      waiter_ = {};
      leadership_ = engine::Leadership<Running>(function_.flights(), flight_);
      return Step::lead;
    default:
      waiter_->release();
      return Step::landed;
  }
}

// Who was handed the lead, and is cancelled before it knows, hands it on.
void Miss::leave() noexcept {
  if (!waiter_) return;
  const engine::Ref<TaskWaiter> waiter = std::move(waiter_);
  if (waiter->told() == TaskWaiter::Told::lead) {
    const engine::Leadership<Running> passed(function_.flights(), flight_);
  } else if (waiter->told() == TaskWaiter::Told::nothing && flight_->leave(*waiter)) {
    waiter->release();
  } else {
    waiter->leave();
  }
}

double Miss::patience() const noexcept {
  const auto left = flight_->deadline(function_.limits()) - now();
  return std::clamp(std::chrono::duration<double>(left).count(), 0.0, 1.0);
}

bool Miss::start(const Object& loop, bool joins) {
  const auto flight = leadership_.flight();
  if (!joins) begun_ = now();
  if (!flight->start(begun_)) {
    flight_ = leadership_.resign();
    return false;
  }
  if (Leader* const leader = flight->key().leader.get()) {
    gone_ = leader->gone = std::make_shared<bool>(false);
    leader->loop = Kept(loop);
  }
  return true;
}

Object Miss::mark() {
  const engine::Context::Adopt adopted(Solo::context());
  mark_ = make_mark(engine::Context::capture().with(leadership_.flight()));
  return mark_;
}

Object Miss::mark_of(PyObject* misses) {
  const engine::Context::Adopt adopted(Solo::context());
  engine::Context context = engine::Context::capture();
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(misses); ++i) {
    context = context.with(miss_of(PyList_GET_ITEM(misses, i)).leadership_.flight());
  }
  return make_mark(std::move(context));
}

Object Miss::body() {
  ++function_.count().misses;
  return Object::checked(call_.run());
}

namespace {

class IdleMisses final : public engine::IdleFlights {
 public:
  explicit IdleMisses(PyObject* misses) noexcept : misses_(misses) {}

 private:
  bool let_go() noexcept override {
    bool any = false;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(misses_); ++i) {
      Miss& miss = miss_of(PyList_GET_ITEM(misses_, i));
      any = miss.leads() || any;
      miss.give_up();
    }
    return any;
  }

  PyObject* const misses_;
};

}  // namespace

Object Miss::body_before(PyObject* idle) {
  const IdleMisses these(idle);
  return body();
}

Object Miss::land(PyObject* result) {
  ran();
  if (is_once_only(result)) {
    raise_once_only(function_.wrapped().get(), result);
    const Exception exception = Exception::take();
    finish(engine::Outcome<Kept>::failed(std::make_exception_ptr(Failed(exception))), false);
    flight_ = {};
    own_ = {};
    exception.rethrow();
  }
  finish(engine::Outcome<Kept>::of(Kept(Object::shared(result))), true);
  if (commit_error_ != nullptr) raise(commit_error_);
  return function_.give(result);
}

Object Miss::fail(PyObject* error) {
  ran();
  drop_walk();
  if (PyObject_IsInstance(error, PyExc_Exception) != 1) {
    give_up();
    return Object();
  }
  const Exception exception(Object::shared(error), Object::owned(PyException_GetTraceback(error)));
  if (function_.options().cache_errors) {
    exception.raise();
    if (Object failure = function_.remember_failure()) {
      finish(engine::Outcome<Kept>::of(Kept(std::move(failure))), true);
      return Object();
    }
    PyErr_Clear();
  }
  if (Object stale = far_ ? far_->stale_instead() : Object()) {
    finish(engine::Outcome<Kept>::of(Kept(stale)), true);
    return function_.give(stale.get());
  }
  const auto flight = leadership_.flight();
  finish(engine::Outcome<Kept>::failed(std::make_exception_ptr(Failed(exception))), false);
  flight_ = {};  // For the same reason.
  own_ = {};
  if (background_) {
    ++function_.count().refresh_failures;
    if (!flight->detached()) function_.pause(call_.question());
  }
  if (!may_be_stale_) return Object();
  const Object stale = function_.find_after_failure(call_.question());
  return stale ? function_.give(stale.get()) : Object();
}

// It is of no more use, and lets go of the flight: that holds the exception, whose frames hold
// this.
Object Miss::result() {
  Counts& counts = function_.count();
  ++counts.hits;
  ++counts.waited;
  const auto flight = std::exchange(flight_, {});
  const engine::Outcome<Kept> own = std::exchange(own_, {});
  const engine::Outcome<Kept>& outcome = flight ? std::as_const(*flight).outcome() : own;
  if (const Kept* const value = outcome.value()) return function_.give(value->get());
  if (may_be_stale_) {
    if (const Object stale = function_.find_after_failure(call_.question())) {
      return function_.give(stale.get());
    }
  }
  raise(outcome.error());
}

void Miss::run() {
  if (!leadership_ || !leadership_.begin()) return;
  const auto flight = leadership_.flight();
  FarFlight far(function_, call_);
  const auto prepare = [&](const std::atomic<bool>& detached) {
    return far ? function_.find_far(far, call_, detached, Sight::background)
               : std::optional<Kept>();
  };
  const auto answer = engine::lead_flight(
      std::move(leadership_), function_.flight_call(call_, prepare, far), function_.limits());
  Counts& counts = function_.count();
  ++counts.refreshes;
  function_.measured(answer.cost);
  const std::exception_ptr error = answer.error();
  if (error == nullptr) return;
  ++counts.refresh_failures;
  if (!flight->detached()) function_.pause(call_.question());
  raise(error);
}

void Miss::ran() noexcept {
  if (mark_) end_mark(mark_.get());
  function_.measured(now() - begun_);
  if (background_) ++function_.count().refreshes;
}

// Somebody may have given up for a runner whose loop was closed.
void Miss::give_up() noexcept {
  if (mark_) end_mark(mark_.get());
  drop_walk();   // It refers to the next.
  far_.reset();  // With its lease: who goes on takes one of his own.
  if (gone_ && *gone_) leadership_.resign();
  leadership_ = engine::Leadership<Running>();
}

void Miss::finish(engine::Outcome<Kept> outcome, bool commit) {
  if (gone_ && *gone_) {
    leadership_.resign();
    own_ = std::move(outcome);
    far_.reset();
    return;
  }
  auto flight = leadership_.flight();
  const auto store = [&](const Kept& result, const std::atomic<bool>& detached) {
    if (commit) this->commit(result.get(), detached);
  };
  const engine::Landing landing = leadership_.land(outcome, store);
  commit_error_ = landing.commit_error;
  if (landing.first) {
    flight_ = std::move(flight);
  } else {
    flight_ = {};
    own_ = std::move(outcome);
  }
  far_.reset();  // An exception that somebody keeps holds this, and its lease is not for that.
}

int Miss::traverse(visitproc visit, void* arg) const {
  Py_VISIT(owner_.get());
  return spelling_.traverse(visit, arg);
}

// --- In the background ---

bool refresh_in_background(Function& function, const Call& call,
                           engine::Leadership<Running> leadership) noexcept {
  PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
  PyErr_Fetch(&type, &value, &trace);
  bool started = false;
  try {
    const Object miss = make_miss(function, call.args(), call.count(), call.names(), nullptr);
    // The threads may be busy: who needs the result before one has time takes the place of this.
    if (!function.options().async) leadership.queue();
    miss_of(miss.get()).lead(std::move(leadership));
    const char* const driver = function.options().async ? "dcache._async" : "dcache._background";
    const Object module = Object::checked(PyImport_ImportModule(driver));
    PyObject* const hook = function.options().on_background.get();
    const Object answer = Object::checked(PyObject_CallMethod(
        module.get(), "start", "OO", miss.get(), hook == nullptr ? Py_None : hook));
    started = answer.get() == Py_True;
  } catch (const Raised&) {
    PyErr_WriteUnraisable(function.self());
  }
  PyErr_Restore(type, value, trace);
  return started;
}

}  // namespace dcache::python
