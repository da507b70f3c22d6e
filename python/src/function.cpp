// SPDX-License-Identifier: MIT
#include "function.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "cache_object.hpp"
#include "canonical.hpp"
#include "errors.hpp"
#include "failure.hpp"
#include "guarded.hpp"
#include "mode.hpp"

namespace dcache::python {
namespace {

// For a sixth of the price of an exact one: a miss looks four times.
engine::SteadyTime coarse_time() noexcept { return engine::SteadyTime(coarse_now()); }

Object make_prefix(const Options& options) {
  if (!options.cache) return Object();
  return Object::checked(PyObject_CallNoArgs(reinterpret_cast<PyObject*>(&PyBaseObject_Type)));
}

}  // namespace

Function::Function(PyObject* self, Object wrapped, Options options)
    : self_(self),
      wrapped_(std::move(wrapped)),
      options_(std::move(options)),
      prefix_(make_prefix(options_)),
      simple_(options_.gives_as_stored()),
      plain_(!options_.key),
      quick_(plain_ && simple_),
      keeps_for_good_(options_.keeps_for_good()),
      signature_(wrapped_.get(), options_.raw, options_.ignore.get(), prefix_),
      instances_(
          self, [this](PyObject* key) { table_->about_to_leave(key); },
          [this](PyObject* key, std::uint64_t hash) { table_->erase(Key{key, hash}); }),
      own_table_(options_.cache ? nullptr : std::make_unique<Table>(options_.table)),
      table_(own_table_ ? own_table_.get() : &table_of(options_.cache.get())) {}

Function::~Function() {
  if (!own_table_) table_->erase_all_of(prefix_.get());
}

void Function::become_method() {
  if (method_ || options_.raw || options_.key) return;
  clear_near();
  method_ = true;
}

// What has no hash, or, among containers, holds something that has none. What a hash of the user's
// has said is told as well: it may be a mistake.
void Function::blame(const Arguments& arguments) const {
  const Exception refusal = Exception::take();
  for (Py_ssize_t i = 0; i < arguments.size(); ++i) {
    if (i == arguments.weak_at() || !refuses_hash(arguments[i])) continue;
    Canonical canonical;
    canonical.append(arguments[i]);
    raise_unkeyable_argument(arguments[i], i, canonical.without(), false);
    if (keyed_by_content(Py_TYPE(arguments[i]))) throw Raised();
    const Exception unkeyable = Exception::take();
    PyException_SetCause(unkeyable.value().get(), Object(refusal.value()).release());
    unkeyable.rethrow();
  }
  refusal.rethrow();
}

void Function::raise_unkeyable_argument(PyObject* argument, Py_ssize_t at, const Object& culprit,
                                        bool far) const noexcept {
  PyObject* const parameter = options_.key ? Py_None : signature_.name_of(at);
  raise_unkeyable(wrapped_.get(), parameter, argument, culprit ? culprit.get() : argument, far);
}

PyObject* Function::call(PyObject* const* args, Py_ssize_t count, PyObject* names) {
  const auto miss = [&](Question* question, Table::Hit& hit) {
    if (question == nullptr) [[unlikely]]
      return call_bound(args, count, names);
    return answer(Call(*this, args, count, names, *question), hit);
  };
  return guarded([&]() DCACHE_HOT_LAMBDA {
    const bool normal = !mode_may_differ;
    return (normal ? look(args, count, names, miss) : call_in_mode(args, count, names)).release();
  });
}

PyObject* Function::call_again(PyObject* const* args, Py_ssize_t count, PyObject* names,
                               const Recent::Entry& known) {
  if (PyObject* const found = hit_again(known)) [[likely]]
    return found;
  return call(args, count, names);
}

// Nobody has looked yet.
Object Function::call_bound(PyObject* const* args, Py_ssize_t count, PyObject* names) {
  const Call call(*this, args, count, names);
  Table::Hit hit;
  table_->find(call.question(), hit);
  return answer(call, hit);
}

Object Function::call_in_mode(PyObject* const* args, Py_ssize_t count, PyObject* names) {
  switch (current_mode()) {
    case Mode::normal:
    case Mode::read_only:
    case Mode::offline:
      break;
    case Mode::refresh:
      return compute(Call(*this, args, count, names), false, true);
    case Mode::bypass:
      ++counts_.misses;
      return Object::checked(
          PyObject_Vectorcall(wrapped_.get(), args, static_cast<std::size_t>(count), names));
  }
  return call_bound(args, count, names);
}

// What the first look, which asks nobody, has or has not found.
inline Object Function::answer(const Call& call, Table::Hit& hit) {
  if (!hit && call.question().answer()) table_->find_surely(call.question(), hit, false);
  if (hit) [[unlikely]]
    return answer_with(call, hit);
  if (runs_alone(call.question())) {
    if (Object result = compute_alone(call)) return result;
  }
  return compute(call, false, false);
}

Object Function::answer_with(const Call& call, Table::Hit& hit) {
  if (!hit.review()) return hit_with(hit.value());
  if (suspect(hit)) {
    if (far_mode().reads) return compute(call, true, false);
    believe(call.question());
    return hit_with(hit.value());
  }
  const bool fresh = this->fresh(hit);
  if (fresh || options_.wait) return serve_or_refresh(call, hit, fresh);
  return compute(call, true, false);
}

// Runs the body, or waits for whoever does. If that fails and what there was may still be served,
// it is. `blind`: nothing that is in the table counts.
Object Function::compute(const Call& call, bool may_be_stale, bool blind) {
  const Question& question = call.question();
  if (!options_.coalesces) {
    ++counts_.misses;
    Object result = Object::checked(call.run());
    store(call, result.get(), nullptr);
    return result;
  }
  if (solos_.find(question)) return compute_through(call);
  return compute_together(call, may_be_stale, blind);
}

// In a flight that others may join.
Object Function::compute_together(const Call& call, bool may_be_stale, bool blind) {
  const Question& question = call.question();
  FarFlight far(*this, call);
  if (far && !options_.keeps && !blind && flights_.running(question.hash(), question)) {
    if (Object found = glance(call)) return found;
  }
  // Since the look that missed no Python has run, unless an `==` was asked or we waited.
  bool looked = true;
  const auto recheck = [&](const std::atomic<bool>& detached) -> std::optional<Kept> {
    if (far) return find_far(far, call, detached, blind ? Sight::blind : Sight::all);
    if (blind || (looked && !question.asked())) return std::nullopt;
    Object found = find_fresh(question);
    return found ? std::optional<Kept>(std::move(found)) : std::nullopt;
  };
  const engine::FlightLimits limits = this->limits();
  const auto wait = [&](engine::Flight& flight) {
    if (running_loop()) return engine::Waited::compute_through;
    looked = false;
    return wait_unlocked(flights_, static_cast<Running::Flown&>(flight), limits, Solo::context());
  };
  const auto answer =
      engine::coalesce_with(flights(), flight_call(call, recheck, far, blind), limits, wait);
  if (answer.interrupted) throw Raised();
  if (answer.ran) {
    measured(answer.cost);
  } else {
    ++counts_.hits;
    ++counts_.waited;
  }
  if (const std::exception_ptr error = answer.error()) {
    if (may_be_stale && answer.commit_error == nullptr && !tells_to_stop(error)) {
      if (Object stale = find_after_failure(question)) return give(stale.get());
    }
    raise(error);
  }
  if (far.refresh_due()) refresh_found(call);
  return give(answer.value()->get());
}

// Somebody inside of this very computation asks for its result.
Object Function::compute_through(const Call& call) {
  ++counts_.misses;
  Object result = Object::checked(call.run());
  if (!reusable(result.get())) throw Raised();
  return give(result.get());
}

// None: others compute it, or nobody may.
Object Function::compute_alone(const Call& call) {
  const Question& question = call.question();
  if (solos_.find(question) || question.asked()) return Object();
  may_fly_ = solos_.became_flights() || may_fly_;
  if (may_fly_) {
    if (flights_.running(question.hash(), question) || question.asked()) return Object();
    may_fly_ = flights_.size() != 0;
  }
  const std::uint64_t version = table_->version();
  Solo solo(solos_, flights_, call);
  // Two looks at the clock are 20 ns.
  const bool timed = ++counts_.misses % runs_a_look == 0;
  const engine::SteadyTime begun = timed ? coarse_time() : engine::SteadyTime();
  Object result = Object::owned(call.run());
  if (timed) measured(coarse_time() - begun);
  if (solo.flight()) return share(solo, call, result, false);
  if (!result) throw Raised();
  if (!reusable(result.get())) throw Raised();
  const bool absent = version == table_->version();
  if (keeps_for_good_) [[likely]] {
    table_->store(question, call.make_key(), result.get(), engine::Terms{}, &solo.detached(),
                  absent);
  } else {
    store(call, result.get(), &solo.detached(), absent);
  }
  if (solo.flight()) return share(solo, call, result, true);
  return give(result.get());
}

// Others have joined: what began alone ends as a flight.
Object Function::share(Solo& solo, const Call& call, const Object& result, bool stored) {
  engine::Leadership<Running> leadership(flights_, solo.flight(), &coarse_time);
  engine::Outcome<Kept> outcome;
  try {
    if (!result) fail();
    if (!reusable(result.get())) fail();
    outcome = engine::Outcome<Kept>::of(Kept(result));
  } catch (const engine::Abandon& abandon) {
    leadership = {};
    raise(abandon.reason);
  } catch (const Failed&) {
    outcome = engine::Outcome<Kept>::failed(std::current_exception());
  }
  const auto commit = [&](const Kept& kept, const std::atomic<bool>& detached) {
    if (!stored) store(call, kept.get(), &detached);
  };
  const std::exception_ptr error = outcome.error();
  const engine::Landing landing = leadership.land(outcome, commit);
  if (landing.commit_error != nullptr) raise(landing.commit_error);
  if (error != nullptr) raise(error);
  return give(result.get());
}

// False: an error is set.
bool Function::reusable(PyObject* result) const noexcept {
  if (!is_once_only(result)) return true;
  raise_once_only(wrapped_.get(), result);
  return false;
}

Object Function::run(const Call& call) {
  std::optional<Marked> marked;
  ++counts_.misses;
  if (!runs_quickly()) {
    const engine::Context::Adopt adopted(Solo::context());
    marked.emplace(engine::Context::capture());
  }
  Object result = Object::owned(call.run());
  if (!result && options_.cache_errors) result = remember_failure();
  if (!result || !reusable(result.get())) fail();
  return result;
}

// --- What there is ---

Object Function::find_anything(const Question& question) {
  Table::Hit hit;
  if (options_.keeps) table_->find_surely(question, hit, false);
  return hit ? Object::shared(hit.value()) : Object();
}

Object Function::find_fresh(const Question& question, Object* suspect) {
  Table::Hit hit;
  if (options_.keeps) table_->find_surely(question, hit, false);
  if (!hit) return Object();
  if (!is_failure(hit.value())) {
    const engine::Moment fresh_until = options_.freshness.fresh_until(hit.terms());
    if (fresh_until != engine::no_moment && hit.now() >= fresh_until) return Object();
  }
  if (suspect == nullptr || !hit.review()) return Object::shared(hit.value());
  *suspect = Object::shared(hit.value());
  return Object();
}

// What is still there after a failure was not invalidated meanwhile: it may be served, and nobody
// tries again for a moment.
Object Function::find_after_failure(const Question& question) {
  Table::Hit hit;
  if (options_.keeps) table_->find_surely(question, hit, false);
  if (!hit || is_failure(hit.value())) return Object();
  Object found = Object::shared(hit.value());
  if (!fresh(hit)) {
    ++counts_.stale;
    pause(question);
  }
  return found;
}

Object Function::give_specially(PyObject* stored) {
  if (is_failure(stored)) raise_failure(stored);
  if (!options_.copies) return Object::shared(stored);
  const Object module = Object::checked(PyImport_ImportModule("copy"));
  return Object::checked(PyObject_CallMethod(module.get(), "deepcopy", "O", stored));
}

// --- What is kept ---

std::optional<Duration> Function::ttl_of(PyObject* result) const {
  if (is_failure(result)) {
    PyObject* const pairs = options_.cache_errors.get();
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(pairs); ++i) {
      PyObject* const pair = PyTuple_GET_ITEM(pairs, i);
      const int is = PyObject_IsSubclass(class_of_failure(result), PyTuple_GET_ITEM(pair, 0));
      if (is < 0) throw Raised();
      if (is > 0) return seconds_of(PyTuple_GET_ITEM(pair, 1));
    }
  }
  if (!options_.ttl_of) return options_.ttl;
  const Object seconds = Object::checked(PyObject_CallOneArg(options_.ttl_of.get(), result));
  if (seconds.get() == Py_None) return std::nullopt;
  return seconds_of(seconds.get());
}

std::optional<Life> Function::life_of(PyObject* result) const {
  const bool failure = is_failure(result);
  if (options_.cache_if && !failure) {
    const Object verdict = Object::checked(PyObject_CallOneArg(options_.cache_if.get(), result));
    const int keep = PyObject_IsTrue(verdict.get());
    if (keep < 0) throw Raised();
    if (keep == 0) return std::nullopt;
  }
  if (!failure && !options_.ttl && !options_.ttl_of) return Life{};
  const std::optional<Duration> ttl = ttl_of(result);
  if (!ttl) return Life{};
  if (*ttl <= Duration(0)) return std::nullopt;
  return Life{options_.freshness.jittered(*ttl)};
}

void Function::store_near(const Call& call, PyObject* result, const Life& life,
                          const std::atomic<bool>* detached, bool absent, bool far) {
  if (!options_.keeps) return;
  const bool failure = is_failure(result);
  const auto after = [&](Duration span) { return table_->near().after(span); };
  engine::Terms terms;
  if (life.ttl && failure) {
    terms.dies = after(*life.ttl);
  } else if (life.ttl) {
    terms = options_.freshness.terms(*life.ttl, after);
  }
  if (far && far_side_ && !failure) {
    const auto near_ttl = far_of(far_side_.get())->near_ttl;
    terms = engine::suspected(terms, near_ttl, options_.freshness.stale_for, after);
  }
  const Object frameless = failure ? make_frameless(result) : Object();
  PyObject* const kept = failure ? frameless.get() : result;
  table_->store(call.question(), call.make_key(), kept, terms, detached, absent);
}

Object Function::remember_failure() {
  PyObject* const pairs = options_.cache_errors.get();
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(pairs); ++i) {
    if (PyErr_ExceptionMatches(PyTuple_GET_ITEM(PyTuple_GET_ITEM(pairs, i), 0)) == 0) continue;
    return make_failure(Exception::take());
  }
  return Object();
}

// --- Time ---

Duration Function::pause_span() const noexcept {
  constexpr Duration second = std::chrono::seconds(1);
  return std::min<Duration>(options_.ttl.value_or(second), second);
}

void Function::pause(const Question& question) {
  table_->set_review(question, table_->near().after(pause_span()));
}

engine::FlightLimits Function::limits() const noexcept {
  return {.flight_timeout = options_.flight_timeout, .cost = cost_, .now = &coarse_time};
}

void Function::measured(std::chrono::nanoseconds cost) noexcept {
  cost_ = cost_.count() == 0 ? cost : (cost_ * 7 + cost) / 8;
}

FlightKey Function::flight_key(const Call& call) const {
  return {Kept(call.make_key()), options_.async ? std::make_unique<Leader>() : nullptr};
}

bool is_once_only_by_type(PyObject* result) noexcept {
  return PyIter_Check(result) != 0 || PyAsyncGen_CheckExact(result) != 0 ||
         (Py_TYPE(result)->tp_as_async != nullptr &&
          Py_TYPE(result)->tp_as_async->am_await != nullptr);
}

}  // namespace dcache::python
