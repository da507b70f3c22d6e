// SPDX-License-Identifier: MIT
// What a function can be asked besides its call, and its refreshes in the background.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "canonical.hpp"
#include "failure.hpp"
#include "function.hpp"
#include "miss.hpp"
#include "mode.hpp"
#include "solo.hpp"

namespace dcache::python {

// A running flight is detached; who comes while this runs joins it.
Object Function::refresh(PyObject* const* args, Py_ssize_t count, PyObject* names) {
  const Call call(*this, args, count, names);
  FarFlight far(*this, call);
  const auto prepare = [&](const std::atomic<bool>& detached) {
    return far ? find_far(far, call, detached, Sight::blind) : std::optional<Kept>();
  };
  solos_.detach(call.question().hash());
  const auto answer =
      engine::refresh_flight(flights(), flight_call(call, prepare, far, true), limits());
  ++counts_.refreshes;
  measured(answer.cost);
  if (const std::exception_ptr error = answer.error()) raise(error);
  return give(answer.value()->get());
}

Object Function::peek(PyObject* const* args, Py_ssize_t count, PyObject* names) {
  const Call call(*this, args, count, names);
  const bool asks = static_cast<bool>(far_side());
  const auto given = [this](const Object& object) {
    return object && !is_failure(object.get()) ? give(object.get()) : Object();
  };
  Object suspect;
  const Object sure = find_fresh(call.question(), asks ? &suspect : nullptr);
  if (sure || !asks) return given(sure);
  FarFlight far(*this, call);
  if (!far) return given(suspect);
  drive(far.peek());
  Object found = far.found();
  return found || !far.unreachable() ? found : given(suspect);
}

// As `Flights::invalidate`: nothing that began before the change, or during it, is stored after.
template <class Change>
bool Function::detach_around(const Question& question, Change&& change) {
  const std::uint64_t hash = question.hash();
  const bool before = solos_.detach(hash);
  const bool flew = flights_.invalidate(hash, question, change);
  return solos_.detach(hash) || before || flew;
}

bool Function::invalidate(PyObject* const* args, Py_ssize_t count, PyObject* names) {
  const Call call(*this, args, count, names);
  const Question& question = call.question();
  bool erased = false;
  std::optional<Exception> error;
  const bool detached = detach_around(question, [&] {
    error = far_verb([&](const Far&) {
      FarFlight far(*this, call);
      if (far) drive(far.erase());
    });
    erased = table_->erase(question);
  });
  if (error) error->rethrow();
  return erased || detached || far_side_;
}

void Function::put(PyObject* result, PyObject* const* args, Py_ssize_t count, PyObject* names) {
  const Call call(*this, args, count, names);
  const Question& question = call.question();
  std::optional<Exception> error;
  detach_around(question, [&] {
    const std::optional<Life> life = life_of(result);
    bool went_far = false;
    error = far_verb([&](const Far&) {
      FarFlight far(*this, call);
      if (!far) return;
      if (!life) return drive(far.erase());
      drive(far.prepare());
      if (auto walk = far.store(result, *life, nullptr, true)) {
        drive(std::move(*walk));
        went_far = far.stored();
      }
    });
    if (life) {
      store_near(call, result, *life, nullptr, false, went_far);
    } else {
      table_->erase(question);
    }
  });
  if (error) error->rethrow();
}

void Function::clear() {
  const std::optional<Exception> error = far_verb([&](const Far& far) {
    detach_all();
    drive(far.function->clear());
  });
  clear_near();
  if (error) error->rethrow();
}

// What concerns far tiers. Its error is for after the near tier has followed: that does in any
// case.
template <class FarVerb>
std::optional<Exception> Function::far_verb(FarVerb&& verb) {
  try {
    const Object side = far_side();
    if (!side) return std::nullopt;
    require_far_writes();
    verb(*far_of(side.get()));
    return std::nullopt;
  } catch (const Raised&) {
    return Exception::take();
  }
}

void Function::detach_all() noexcept {
  solos_.detach_all();
  flights_.detach_all();
}

void Function::clear_near() {
  solos_.detach_all();
  flights_.invalidate_all([&] {
    if (own_table_) {
      table_->clear();
    } else {
      table_->erase_all_of(prefix_.get());
    }
  });
  solos_.detach_all();
  counts_ = {};
}

Object Function::canonical(PyObject* const* args, Py_ssize_t count, PyObject* names) {
  Canonical canonical;
  append_arguments(canonical, args, count, names);
  const std::string& bytes = canonical.bytes();
  return Object::checked(
      PyBytes_FromStringAndSize(bytes.data(), static_cast<Py_ssize_t>(bytes.size())));
}

Object Function::far_key(PyObject* const* args, Py_ssize_t count, PyObject* names) {
  Canonical canonical;
  append_arguments(canonical, args, count, names);
  const std::string& bytes = canonical.bytes();
  if (far_side_ && !canonical.names_main()) {
    const engine::FarFunction& far = *far_of(far_side_.get())->function;
    Object key = Object::checked(PyUnicode_New(static_cast<Py_ssize_t>(far.key_size()), 127));
    far.write_key(bytes, static_cast<char*>(PyUnicode_DATA(key.get())));
    return key;
  }
  const Object module = Object::checked(PyImport_ImportModule("dcache._identity"));
  return Object::checked(PyObject_CallMethod(
      module.get(), "key", "OOy#O", wrapped_.get(), options_.identity.get(), bytes.data(),
      static_cast<Py_ssize_t>(bytes.size()), canonical.names_main() ? Py_True : Py_False));
}

// An array of the arguments; surplus keywords, which have names, are one item of it.
void Function::append_arguments(Canonical& canonical, PyObject* const* args, Py_ssize_t count,
                                PyObject* names) {
  if (options_.key) {
    const Call call(*this, args, count, names);
    canonical.append_array_head(1);
    return append_argument(canonical, call.made().get(), 0);
  }
  Bound bound;
  signature_.bind(args, count, names, bound);
  const Arguments arguments = bound.arguments(false);
  const Py_ssize_t first = signature_.prefixed();
  const Py_ssize_t keywords = signature_.keywords_at(arguments);
  const bool any_keywords = keywords < arguments.size();
  canonical.append_array_head(keywords - first + (any_keywords ? 1 : 0));
  for (Py_ssize_t i = first; i < keywords; ++i) append_argument(canonical, arguments[i], i);
  if (!any_keywords) return;
  canonical.append_keywords_tag();
  canonical.append_array_head(arguments.size() - keywords - 1);
  for (Py_ssize_t i = keywords + 1; i < arguments.size(); ++i) {
    append_argument(canonical, arguments[i], i);
  }
}

void Function::append_argument(Canonical& canonical, PyObject* argument, Py_ssize_t at) const {
  const std::size_t before = canonical.bytes().size();
  if (canonical.append(argument)) return;
  canonical.bytes().resize(before);
  if (options_.key || !signature_.is_default(argument, at)) {
    raise_unkeyable_argument(argument, at, canonical.without(), true);
    throw Raised();
  }
  canonical.append_default_of(signature_.name_of(at));
}

Object Function::explain(PyObject* const* args, Py_ssize_t count, PyObject* names) {
  const Call call(*this, args, count, names);
  const Question& question = call.question();
  Table::Hit hit;
  table_->find_surely(question, hit, false);
  double age = -1, dies = -1, flying = -1;
  bool stale = false, failure = false;
  const auto seconds = [](auto milliseconds) { return static_cast<double>(milliseconds) / 1000; };
  if (hit) {
    failure = is_failure(hit.value());
    const engine::Moment now = table_->near().now();
    const engine::Moment dead = hit.terms().dies;
    if (dead != engine::no_moment) {
      const engine::Moment until = failure ? dead : options_.freshness.fresh_until(hit.terms());
      stale = now >= until;
      age = seconds(stale ? now - until : until - now);
      dies = seconds(dead - std::min(dead, now));
    }
  }
  const bool there = static_cast<bool>(hit);
  solos_.find(question);
  if (flights_.running(question.hash(), question)) flying = 1;
  const bool suspected = hit && suspect(hit);
  hit = Table::Hit();
  const Object tiers = explain_far(call);
  return Object::checked(Py_BuildValue(
      "{sssOsOsOsOsOsOsdsdsOsn}", "mode", mode_name(), "tiers", tiers.get(), "keeps",
      options_.keeps ? Py_True : Py_False, "suspect", suspected ? Py_True : Py_False, "there",
      there ? Py_True : Py_False, "stale", stale ? Py_True : Py_False, "failure",
      failure ? Py_True : Py_False, "fresh_for", age, "dies_in", dies, "computing",
      flying > 0 ? Py_True : Py_False, "entries", static_cast<Py_ssize_t>(table_->size())));
}

int Function::traverse(visitproc visit, void* arg) {
  Py_VISIT(wrapped_.get());
  Py_VISIT(far_side_.get());
  const auto look = [&](PyObject* object) { return object == nullptr ? 0 : visit(object, arg); };
  if (const int stopped = options_.each(look)) return stopped;
  if (const int stopped = signature_.traverse(visit, arg)) return stopped;
  return own_table_ ? own_table_->traverse(visit, arg) : 0;
}

void Function::retire() {
  instances_.disown();
  clear_near();
}

std::size_t Function::entries() {
  return own_table_ ? table_->size() : table_->size_of(prefix_.get());
}

// Somebody serves what there is. If it is fresh, or stale and nobody waits, this caller does.
Object Function::serve_or_refresh(const Call& call, Table::Hit& hit, bool fresh) {
  Object kept = Object::shared(hit.value());
  const auto flight = start_refresh(call, hit, fresh);
  if (!fresh && *options_.wait > Duration(0) && !running_loop()) {
    engine::FlightLimits patience = limits();
    patience.wait = *options_.wait;
    if (wait_unlocked(flights_, *flight, patience, Solo::context()) == engine::Waited::landed &&
        flight->outcome().value() != nullptr) {
      ++counts_.waited;
      return hit_with(flight->outcome().value()->get());
    }
    if (PyErr_Occurred() != nullptr) throw Raised();
    // While we waited it may have been invalidated, or another result may have taken its place.
    if (const Object found = find_fresh(call.question())) return hit_with(found.get());
    kept = find_anything(call.question());
    if (!kept) return compute(call, false, false);
  }
  if (!fresh) ++counts_.stale;
  return hit_with(kept.get());
}

// A refusal drops the leadership, which abandons the flight: what there is goes on being served,
// and the next try is after the pause.
engine::Ref<Running::Flown> Function::start_refresh(const Call& call, const Table::Hit& hit,
                                                    bool fresh) {
  // What is fresh is looked at again when it ceases to be, whether a refresh is running or not.
  const engine::Moment pause = table_->near().after(pause_span());
  const engine::Moment until =
      fresh ? std::min(pause, options_.freshness.fresh_until(hit.terms())) : pause;
  solos_.find(call.question());
  auto joined = flights().join(
      call.question().hash(), call.question(), [&] { return flight_key(call); }, limits().now());
  auto flight = joined.flight;
  if (!joined.leader) return flight;
  if (!options_.wait || *options_.wait == Duration(0)) {
    table_->set_review(call.question(), until);
  }
  engine::Leadership<Running> leadership(flights(), std::move(joined.flight), limits().now);
  if (!refresh_in_background(*this, call, std::move(leadership))) ++counts_.refresh_failures;
  return flight;
}

}  // namespace dcache::python
