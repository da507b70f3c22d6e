// SPDX-License-Identifier: MIT
/// What stands behind the callable that `@dcache` returns.
///
/// The way of a call: bind to the parameters (`signature`), hash each argument once and look
/// (`table`): a fresh hit ends there, without a Python frame, tuple or dict. Else `answer`: who
/// computes, and who waits (`flights`). A coroutine function takes the same first step when its
/// result is awaited; what comes then is in `async_miss.hpp`.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

#include "dcache/engine/coalesce.hpp"
#include "dcache/engine/stack.hpp"

#include "call.hpp"
#include "far.hpp"
#include "instances.hpp"
#include "object.hpp"
#include "options.hpp"
#include "signature.hpp"
#include "solo.hpp"
#include "table.hpp"
#include "waiting.hpp"

namespace dcache::python {

/// What was counted besides what the table counts.
struct Counts {
  std::uint64_t hits = 0;    // Calls that were answered without running the body.
  std::uint64_t misses = 0;  // Bodies that were run.
  std::uint64_t waited = 0;  // Hits that got what another caller computed.
  std::uint64_t stale = 0;   // Hits that got a result past its ttl.
  std::uint64_t refreshes = 0;
  std::uint64_t refresh_failures = 0;
};

class Canonical;

class Function {
 public:
  /// `self`: the object of the interpreter that owns this; borrowed. Throws `Raised`.
  Function(PyObject* self, Object wrapped, Options options);
  Function(const Function&) = delete;
  Function& operator=(const Function&) = delete;
  ~Function();

  /// The vectorcall of a plain function. Null: a Python error is set.
  PyObject* call(PyObject* const* args, Py_ssize_t count, PyObject* names);
  /// The same of a call that `recall` knows. Two functions, so that a miss is in one frame only.
  PyObject* call_again(PyObject* const* args, Py_ssize_t count, PyObject* names,
                       const Recent::Entry& known);

  // The verbs. What a running flight was computing is detached, except by `peek`.

  Object refresh(PyObject* const* args, Py_ssize_t count, PyObject* names);
  /// A fresh result, or none.
  Object peek(PyObject* const* args, Py_ssize_t count, PyObject* names);
  bool invalidate(PyObject* const* args, Py_ssize_t count, PyObject* names);
  void put(PyObject* result, PyObject* const* args, Py_ssize_t count, PyObject* names);
  /// Everything, in far tiers by a mark.
  void clear();
  /// Everything here; far tiers keep what they have.
  void clear_near();
  /// The canonical bytes of the arguments.
  Object canonical(PyObject* const* args, Py_ssize_t count, PyObject* names);
  /// The key of a far tier, as text.
  Object far_key(PyObject* const* args, Py_ssize_t count, PyObject* names);
  /// What the near tier says about this call, as a dict for the package to word.
  Object explain(PyObject* const* args, Py_ssize_t count, PyObject* names);

  /// For the collector: everything that this holds, cached results included.
  int traverse(visitproc visit, void* arg);
  /// The owner is being destroyed.
  void retire();

  /// From here on the first argument counts by identity and is held weakly.
  void become_method();
  bool is_method() const noexcept { return method_; }

  const Counts& counts() const noexcept { return counts_; }
  std::size_t entries();
  Table& table() noexcept { return *table_; }
  Instances& instances() noexcept { return instances_; }
  Signature& signature() noexcept { return signature_; }
  const Object& prefix() const noexcept { return prefix_; }
  const Object& wrapped() const noexcept { return wrapped_; }
  const Options& options() const noexcept { return options_; }
  PyObject* self() const noexcept { return self_; }

  // --- The steps of a call, for whoever drives it ---

  /// The hash, or nothing: an argument is to be replaced first. Throws `Raised`.
  DCACHE_HOT std::optional<std::uint64_t> hash(const Arguments& arguments,
                                               Contents contents) const {
    std::uint64_t hash = 0;
    try {
      if (hash_call(arguments, options_.typing, contents, hash)) [[likely]]
        return hash;
      return std::nullopt;
    } catch (const Raised&) {
      if (!refused_hash()) throw;
      if (contents == Contents::exhausted) blame(arguments);
      PyErr_Clear();
      return std::nullopt;
    }
  }

  /// The first look of all, by identity: what was hit before by the very arguments, or null.
  DCACHE_HOT const Recent::Entry* recall(PyObject* const* args, Py_ssize_t count,
                                         PyObject* names) const noexcept {
    if (!quick_ || !signature_.exact(count, names)) return nullptr;
    return table_->recall(Arguments(args, count, weak_first(args, count)));
  }
  /// Its result; null: it has to be looked at more closely. REQUIRES: `recall` has just said so.
  DCACHE_HOT PyObject* hit_again(const Recent::Entry& entry) noexcept {
    PyObject* const found = table_->hit_again(entry);
    if (found == nullptr) return nullptr;
    ++counts_.hits;
    Py_INCREF(found);
    return found;
  }

  /// The first look. A fresh hit: the result. Else what `miss` returns: it is passed the question
  /// (null: nobody has looked yet, the arguments are to be bound) and what was found.
  template <class Miss>
  DCACHE_HOT Object look(PyObject* const* args, Py_ssize_t count, PyObject* names, Miss&& miss) {
    Table::Hit hit;
    if (!plain_) return miss(nullptr, hit);
    Bound bound;
    signature_.bind(args, count, names, bound);
    const Arguments arguments = bound.arguments(method_);
    if (quick_ && !signature_.exact(count, names)) {
      if (const Recent::Entry* const known = table_->recall(arguments)) {
        if (PyObject* const found = table_->hit_again(*known)) return hit_with(found);
      }
    }
    const auto hash = this->hash(arguments, Contents::untouched);
    if (!hash) [[unlikely]]
      return miss(nullptr, hit);
    Question question(arguments, *hash, options_.typing);
    table_->find(question, hit);
    if (!hit || hit.review()) [[unlikely]]
      return miss(&question, hit);
    if (quick_) table_->remember(question, hit);
    return hit_with(hit.value());
  }
  bool fresh(const Table::Hit& hit) const noexcept {
    return !hit.review() || hit.now() < options_.freshness.fresh_until(hit.terms());
  }
  /// What there is could have been changed by another process: far tiers are asked first.
  bool suspect(const Table::Hit& hit) const noexcept {
    return far_side_ && hit.review() && fresh(hit);
  }
  /// No far tier may be asked: it is believed for a while more.
  void believe(const Question& question);
  /// Fresh, or nothing. With `suspect` what another process could have changed goes there instead.
  Object find_fresh(const Question& question, Object* suspect = nullptr);
  /// Whatever there is.
  Object find_anything(const Question& question);
  /// What may be served after a failure, or nothing.
  Object find_after_failure(const Question& question);
  /// How long a result is to be kept; nothing: not at all. Throws `Raised`.
  std::optional<Life> life_of(PyObject* result) const;
  /// Keeps a result, if the options want it kept, in far tiers, too. Throws `Raised`.
  /// `absent`: the caller knows that the table has no such entry. `blind`: if it is not to be kept,
  /// what it was to take the place of goes as well.
  void store(const Call& call, PyObject* result, const std::atomic<bool>* detached,
             bool absent = false, FarFlight* far = nullptr, bool blind = false);
  /// `far`: a far tier has it, too.
  void store_near(const Call& call, PyObject* result, const Life& life,
                  const std::atomic<bool>* detached, bool absent, bool far);
  /// Keeps here what a far tier had.
  void keep_found(const Call& call, PyObject* result, const engine::RecordTimes& times,
                  engine::WallTime now, const Far& far, const std::atomic<bool>* detached);
  /// The far tiers of this function; none: it has none. Asks the package once. Throws `Raised`.
  Object far_side();
  bool known_to_stay_near() const noexcept { return far_asked_ == far_epoch && !far_side_; }
  Object resolve_far(std::uint32_t epoch);
  /// Of a far tier, or what has come meanwhile; waits. Throws what `fail` throws.
  std::optional<Kept> find_far(FarFlight& far, const Call& call, const std::atomic<bool>& detached,
                               Sight sight);
  /// What was found is old enough for a refresh.
  void refresh_found(const Call& call);
  /// What runs for this call is stored nowhere. True: something did.
  bool detach(const Question& question) {
    const bool alone = solos_.detach(question.hash());
    return flights_.detach(question.hash(), question) || alone;
  }
  void append_arguments(Canonical& canonical, PyObject* const* args, Py_ssize_t count,
                        PyObject* names);
  /// A stored object as an answer: counts, copies, raises a remembered failure.
  Object hit_with(PyObject* stored) {
    ++counts_.hits;
    return give(stored);
  }
  Object give(PyObject* stored) {
    return simple_ ? Object::shared(stored) : give_specially(stored);
  }
  /// What is to be stored of the exception that is raised now, if that may be; clears it then.
  Object remember_failure();

  /// What there is to serve is due for a refresh: starts one, unless it runs. `fresh`: the result
  /// may be served till its end whatever comes. Returns the flight. Throws `Raised`.
  engine::Ref<Running::Flown> start_refresh(const Call& call, const Table::Hit& hit, bool fresh);
  /// The next try is after a moment.
  void pause(const Question& question);

  Running& flights() noexcept {
    may_fly_ = true;
    return flights_;
  }
  Counts& count() noexcept { return counts_; }
  engine::FlightLimits limits() const noexcept;
  void measured(std::chrono::nanoseconds cost) noexcept;
  FlightKey flight_key(const Call& call) const;
  /// Runs the body of a plain function; throws what `fail` throws.
  Object run(const Call& call);
  /// `far`: empty, if there is none. `blind`: nobody wants what may be there.
  template <class Recheck>
  auto flight_call(const Call& call, Recheck recheck, FarFlight& far, bool blind = false) {
    auto make_key = [this, &call] { return flight_key(call); };
    auto body = [this, &call, &far] {
      if (!far) return Kept(run(call));
      far.begin();
      try {
        Object result = run(call);
        far.end();
        return Kept(std::move(result));
      } catch (const Failed&) {
        Object stale = far.stale_instead();
        if (!stale) throw;
        return Kept(std::move(stale));
      }
    };
    auto commit = [this, &call, &far, blind](const Kept& result,
                                             const std::atomic<bool>& detached) {
      store(call, result.get(), &detached, false, far ? &far : nullptr, blind);
    };
    return engine::FlightCall{
        call.question().hash(), call.question(), make_key, std::move(recheck), body, commit};
  }

 private:
  Py_ssize_t weak_first(PyObject* const* args, Py_ssize_t count) const noexcept {
    const bool weak = method_ && count > 0 && Instances::weakly(Py_TYPE(args[0]));
    return weak ? 0 : Arguments::none;
  }
  // Of a hash that was asked for; the argument may have a key all the same.
  bool refused_hash() const noexcept {
    return options_.typing == Typing::exact && PyErr_ExceptionMatches(PyExc_TypeError) != 0;
  }
  [[noreturn]] void blame(const Arguments& arguments) const;
  void append_argument(Canonical& canonical, PyObject* argument, Py_ssize_t at) const;
  void raise_unkeyable_argument(PyObject* argument, Py_ssize_t at, const Object& culprit,
                                bool far) const noexcept;
  Object call_in_mode(PyObject* const* args, Py_ssize_t count, PyObject* names);
  Object call_bound(PyObject* const* args, Py_ssize_t count, PyObject* names);
  DCACHE_HOT Object answer(const Call& call, Table::Hit& hit);
  Object answer_with(const Call& call, Table::Hit& hit);
  Object compute(const Call& call, bool may_be_stale, bool blind);
  Object compute_together(const Call& call, bool may_be_stale, bool blind);
  Object compute_alone(const Call& call);
  Object compute_through(const Call& call);
  Object glance(const Call& call);
  bool reusable(PyObject* result) const noexcept;
  Object share(Solo& solo, const Call& call, const Object& result, bool stored);
  bool runs_alone(const Question& question) const noexcept {
    return options_.coalesces && known_to_stay_near() && !question.asked() && runs_quickly();
  }
  // Bodies known to be quicker than the hand-over of a call to another thread need neither a flight
  // before somebody wants to join, nor tell contexts that they run: 600 ns of a miss's 900.
  bool runs_quickly() const noexcept {
    return counts_.misses > runs_to_know && cost_.count() == 0 && !options_.cache_errors;
  }
  template <class FarVerb>
  std::optional<Exception> far_verb(FarVerb&& verb);
  template <class Change>
  bool detach_around(const Question& question, Change&& change);
  void detach_all() noexcept;
  Object explain_far(const Call& call);
  Object serve_or_refresh(const Call& call, Table::Hit& hit, bool fresh);
  Object give_specially(PyObject* stored);
  std::optional<Duration> ttl_of(PyObject* result) const;
  Duration pause_span() const noexcept;

  static constexpr std::uint64_t runs_to_know = 64;
  static constexpr std::uint64_t runs_a_look = 32;

  PyObject* const self_;
  const Object wrapped_;
  const Options options_;
  const Object prefix_;  // In a shared table; or none.
  const bool simple_;
  const bool plain_;  // Nothing but binding stands between arguments and their hash.
  const bool quick_;  // A hit is known by the identity of the arguments, and given as it is.
  const bool keeps_for_good_;  // What a body returns, whatever it is, and it has no end.
  bool method_ = false;
  Signature signature_;
  Instances instances_;
  std::unique_ptr<Table> own_table_;
  Table* table_;
  Object far_side_;
  std::uint32_t far_asked_ = 0;  // In which `far_epoch`.
  Running flights_;
  bool may_fly_ = false;  // Nobody has touched them since they were seen empty.
  Solos solos_;
  Counts counts_;
  std::chrono::nanoseconds cost_{0};
};

inline Object Call::make_key() const {
  return question_.arguments().keep(question_.hash(), function_.instances());
}

inline PyObject* Call::run() const {
  if (!engine::stack_has_room()) [[unlikely]]
    return refuse_to_go_deeper();
  return unwound_by_nobody([this] {
    return PyObject_Vectorcall(function_.wrapped().get(), args_, static_cast<std::size_t>(count_),
                               names_);
  });
}

/// What a result may be: generators and the like can be consumed only once.
bool is_once_only_by_type(PyObject* result) noexcept;
inline bool is_once_only(PyObject* result) noexcept {
  PyTypeObject* const type = Py_TYPE(result);
  return (type->tp_iternext != nullptr || type->tp_as_async != nullptr) &&
         is_once_only_by_type(result);
}

}  // namespace dcache::python
