// SPDX-License-Identifier: MIT
#include "function.hpp"

#include <algorithm>
#include <exception>
#include <optional>
#include <utility>

#include "dcache/engine/coalesce.hpp"

#include "canonical.hpp"
#include "errors.hpp"
#include "waiting.hpp"

namespace dcache::python {
namespace {

// A failing body whose runner was told to stop fails nobody else.
bool is_cancellation() noexcept { return PyErr_ExceptionMatches(PyExc_Exception) == 0; }

[[noreturn]] void fail() {
  const bool cancelled = is_cancellation();
  std::exception_ptr error = std::make_exception_ptr(Failed(Exception::take()));
  if (cancelled) throw engine::Abandon{std::move(error)};
  std::rethrow_exception(std::move(error));
}

// Raises in the interpreter what a flight came to.
[[noreturn]] void raise(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const Failed& failed) {
    failed.raise();
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  }
  throw Raised();
}

// For a sixth of the price of an exact one: a miss looks four times.
engine::SteadyTime coarse_time() noexcept { return engine::SteadyTime(coarse_now()); }

bool is_once_only(PyObject* result) noexcept {
  return PyGen_CheckExact(result) != 0 || PyCoro_CheckExact(result) != 0 ||
         PyAsyncGen_CheckExact(result) != 0 || PyIter_Check(result) != 0 ||
         (Py_TYPE(result)->tp_as_async != nullptr &&
          Py_TYPE(result)->tp_as_async->am_await != nullptr);
}

}  // namespace

/// One call: as it was spelled, for the body, and as it is keyed.
class Function::Call {
 public:
  Call(const Function& function, PyObject* const* args, Py_ssize_t count, PyObject* names,
       Question&& question)
      : function_(function),
        args_(args),
        count_(count),
        names_(names),
        question_(std::move(question)) {}
  Call(Function& function, PyObject* const* args, Py_ssize_t count, PyObject* names)
      : function_(function), args_(args), count_(count), names_(names), question_(ask(function)) {}
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  const Question& question() const noexcept { return question_; }
  PyObject* run() const {
    return PyObject_Vectorcall(function_.wrapped_.get(), args_, static_cast<std::size_t>(count_),
                               names_);
  }

 private:
  Question ask(Function& function) {
    const Options& options = function.options_;
    function.signature_.bind(args_, count_, names_, bound_);
    Arguments arguments = bound_.arguments();
    if (options.key) [[unlikely]] {
      made_.push_back(Object::checked(
          PyObject_Vectorcall(options.key.get(), args_, static_cast<std::size_t>(count_), names_)));
      substitutes_.push_back(made_.back().get());
      arguments = Arguments(substitutes_.data(), 1);
    }
    if (options.typing == Typing::exact) arguments = by_content(arguments);
    return Question(arguments, function.hash(arguments, Contents::replaced).value(),
                    options.typing);
  }

  // Containers go by what is in them; what has no canonical form by its own hash and `==`.
  Arguments by_content(Arguments arguments) {
    for (Py_ssize_t i = 0; i < arguments.size(); ++i) {
      if (!keyed_by_content(Py_TYPE(arguments[i]))) continue;
      Object key = canonical_key(arguments[i]);
      if (!key) continue;
      if (substitutes_.empty()) {
        for (Py_ssize_t j = 0; j < arguments.size(); ++j) substitutes_.push_back(arguments[j]);
      }
      substitutes_[static_cast<std::size_t>(i)] = key.get();
      made_.push_back(std::move(key));
      arguments = Arguments(substitutes_.data(), arguments.size());
    }
    return arguments;
  }

  const Function& function_;
  PyObject* const* args_;
  Py_ssize_t count_;
  PyObject* names_;
  Bound bound_;
  std::vector<Object> made_;
  std::vector<PyObject*> substitutes_;
  Question question_;
};

Function::Function(Object wrapped, Options options)
    : wrapped_(std::move(wrapped)),
      options_(std::move(options)),
      plain_(!options_.key),
      signature_(options_.raw ? Signature() : Signature(wrapped_.get(), options_.ignore.get())),
      table_(options_.table) {}

bool Function::FlightEqual::operator()(const Kept& key, const Question& question) const {
  const Key held{key.get(), question.hash()};
  while (!question.means(held)) {
    if (!question.answer()) return false;
  }
  return true;
}

// The hash, or nothing: an argument is to be replaced first. Says which argument is to blame.
std::optional<std::uint64_t> Function::hash(const Arguments& arguments, Contents contents) const {
  std::uint64_t hash = 0;
  try {
    if (hash_call(arguments, options_.typing, contents, hash)) [[likely]]
      return hash;
    return std::nullopt;
  } catch (const Raised&) {
    if (options_.typing == Typing::exact) blame(arguments);
    throw;
  }
}

// What has no hash, or, among containers, holds something that has none.
void Function::blame(const Arguments& arguments) const {
  if (PyErr_ExceptionMatches(PyExc_TypeError) == 0) return;
  for (Py_ssize_t i = 0; i < arguments.size(); ++i) {
    PyTypeObject* const type = Py_TYPE(arguments[i]);
    if (type->tp_hash != PyObject_HashNotImplemented && !keyed_by_content(type)) continue;
    PyErr_Clear();
    PyObject* const parameter = options_.key ? nullptr : signature_.name_of(i);
    return raise_unkeyable(wrapped_.get(), parameter, arguments[i]);
  }
}

Object Function::call(PyObject* const* args, std::size_t count_and_flags, PyObject* names) {
  const Py_ssize_t count = PyVectorcall_NARGS(count_and_flags);
  Table::Hit hit;
  if (plain_ && signature_.exact(count, names)) [[likely]] {
    const Arguments arguments(args, count);
    if (const auto hash = this->hash(arguments, Contents::untouched)) [[likely]] {
      Question question(arguments, *hash, options_.typing);
      table_.find(question, hit);
      if (hit && !hit.review()) [[likely]]
        return give(hit);
      return answer(Call(*this, args, count, names, std::move(question)), hit);
    }
  }
  const Call call(*this, args, count, names);
  table_.find(call.question(), hit);
  return answer(call, hit);
}

// What the first look, which asks nobody, has or has not found.
Object Function::answer(const Call& call, Table::Hit& hit) {
  if (!hit && call.question().answer()) table_.find_surely(call.question(), hit, false);
  if (!hit) return compute(call, false);
  const bool fresh = !hit.review() || hit.now() < options_.freshness.fresh_until(hit.terms());
  return fresh ? give(hit) : compute(call, true);
}

template <class Recheck>
auto Function::flight_call(const Call& call, Recheck recheck) {
  const Question& question = call.question();
  auto make_key = [&question] { return Kept(question.arguments().keep()); };
  auto body = [this, &call] { return Kept(run(call)); };
  auto commit = [this, &question](const Kept& result, const std::atomic<bool>& detached) {
    store(question, result.get(), &detached);
  };
  return engine::FlightCall{question.hash(), question, make_key, std::move(recheck), body, commit};
}

// Runs the body, or waits for whoever does. If that fails and what there was may still be served,
// it is.
Object Function::compute(const Call& call, bool may_be_stale) {
  const Question& question = call.question();
  if (!options_.coalesces) {
    ++misses_;
    Object result = Object::checked(call.run());
    store(question, result.get(), nullptr);
    return result;
  }
  // Since the look that missed no Python has run, unless an `==` was asked or we waited.
  bool looked = true;
  const auto recheck = [&]() -> std::optional<Kept> {
    if (looked && !question.asked()) return std::nullopt;
    Object found = find_fresh(question);
    return found ? std::optional<Kept>(std::move(found)) : std::nullopt;
  };
  const engine::FlightLimits limits = this->limits();
  const auto wait = [&](engine::Flight& flight) {
    looked = false;
    return wait_unlocked(flight, limits);
  };
  const auto answer = engine::coalesce_with(flights_, flight_call(call, recheck), limits, wait);
  if (answer.interrupted) throw Raised();
  if (answer.ran) {
    measured(answer.cost);
  } else {
    ++hits_;
  }
  if (const std::exception_ptr error = answer.error()) {
    if (may_be_stale && answer.commit_error == nullptr) {
      if (Object stale = find_after_failure(question)) return stale;
    }
    raise(error);
  }
  return answer.value()->object();
}

Object Function::run(const Call& call) {
  ++misses_;
  Object result = Object::owned(call.run());
  if (!result) fail();
  if (is_once_only(result.get())) {
    raise_once_only(wrapped_.get(), result.get());
    fail();
  }
  return result;
}

// Fresh, or nothing.
Object Function::find_fresh(const Question& question) {
  Table::Hit hit;
  if (options_.keeps) table_.find_surely(question, hit, false);
  if (!hit) return Object();
  const engine::Moment fresh_until = options_.freshness.fresh_until(hit.terms());
  if (fresh_until != engine::no_moment && hit.now() >= fresh_until) return Object();
  return Object::shared(hit.value());
}

// What is still there after a failure was not invalidated meanwhile: it may be served, and nobody
// tries again for a moment.
Object Function::find_after_failure(const Question& question) {
  Table::Hit hit;
  table_.find_surely(question, hit, false);
  if (!hit) return Object();
  Object found = Object::shared(hit.value());
  if (hit.now() >= options_.freshness.fresh_until(hit.terms())) {
    const Duration pause =
        std::min<Duration>(options_.ttl.value_or(std::chrono::seconds(1)), std::chrono::seconds(1));
    table_.set_review(question, table_.near().after(pause));
  }
  return found;
}

void Function::store(const Question& question, PyObject* result,
                     const std::atomic<bool>* detached) {
  if (!options_.keeps) return;
  if (options_.cache_if) {
    const Object verdict = Object::checked(PyObject_CallOneArg(options_.cache_if.get(), result));
    const int keep = PyObject_IsTrue(verdict.get());
    if (keep < 0) throw Raised();
    if (keep == 0) return;
  }
  engine::Terms terms;
  if (options_.ttl) {
    const Duration ttl = options_.freshness.jittered(*options_.ttl);
    terms = options_.freshness.terms(ttl, [&](Duration span) { return table_.near().after(span); });
  }
  table_.store(question, result, terms, detached);
}

// A running flight is detached; who comes while this runs joins it.
Object Function::refresh(PyObject* const* args, Py_ssize_t count, PyObject* names) {
  const Call call(*this, args, count, names);
  const auto nothing = [] { return std::optional<Kept>(); };
  const auto answer = engine::refresh_flight(flights_, flight_call(call, nothing), limits());
  measured(answer.cost);
  if (const std::exception_ptr error = answer.error()) raise(error);
  return answer.value()->object();
}

Object Function::peek(PyObject* const* args, Py_ssize_t count, PyObject* names) {
  const Call call(*this, args, count, names);
  return find_fresh(call.question());
}

bool Function::invalidate(PyObject* const* args, Py_ssize_t count, PyObject* names) {
  const Call call(*this, args, count, names);
  const Question& question = call.question();
  bool erased = false;
  const bool detached =
      flights_.invalidate(question.hash(), question, [&] { erased = table_.erase(question); });
  return erased || detached;
}

void Function::put(PyObject* result, PyObject* const* args, Py_ssize_t count, PyObject* names) {
  const Call call(*this, args, count, names);
  const Question& question = call.question();
  flights_.invalidate(question.hash(), question, [&] { store(question, result, nullptr); });
}

void Function::clear() {
  flights_.invalidate_all([&] { table_.clear(); });
  hits_ = misses_ = 0;
}

int Function::traverse(visitproc visit, void* arg) {
  Py_VISIT(wrapped_.get());
  Py_VISIT(options_.cache_if.get());
  Py_VISIT(options_.key.get());
  int stopped = 0;
  table_.near().for_each([&](const Key& key, PyObject* result) {
    if (stopped == 0) stopped = visit(key.object, arg);
    if (stopped == 0) stopped = visit(result, arg);
  });
  return stopped;
}

engine::FlightLimits Function::limits() const noexcept {
  return {.flight_timeout = options_.flight_timeout, .cost = cost_, .now = &coarse_time};
}

void Function::measured(std::chrono::nanoseconds cost) noexcept {
  cost_ = cost_.count() == 0 ? cost : (cost_ * 7 + cost) / 8;
}

}  // namespace dcache::python
