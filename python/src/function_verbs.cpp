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
#include "solo.hpp"

namespace dcache::python {

// A running flight is detached; who comes while this runs joins it.
Object Function::refresh(PyObject* const* args, Py_ssize_t count, PyObject* names) {
  const Call call(*this, args, count, names);
  const auto nothing = [] { return std::optional<Kept>(); };
  solos_.detach(call.question().hash());
  const auto answer = engine::refresh_flight(flights(), flight_call(call, nothing), limits());
  ++counts_.refreshes;
  measured(answer.cost);
  if (const std::exception_ptr error = answer.error()) raise(error);
  return give(answer.value()->get());
}

Object Function::peek(PyObject* const* args, Py_ssize_t count, PyObject* names) {
  const Call call(*this, args, count, names);
  const Object found = find_fresh(call.question());
  return found && !is_failure(found.get()) ? give(found.get()) : Object();
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
  const bool detached = detach_around(question, [&] { erased = table_->erase(question); });
  return erased || detached;
}

void Function::put(PyObject* result, PyObject* const* args, Py_ssize_t count, PyObject* names) {
  const Call call(*this, args, count, names);
  const Question& question = call.question();
  detach_around(question, [&] { store(call, result, nullptr); });
}

void Function::clear() {
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

Object Function::far_key(PyObject* const* args, Py_ssize_t count, PyObject* names) {
  Canonical canonical;
  append_arguments(canonical, args, count, names);
  const std::string& bytes = canonical.bytes();
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
  return Object::checked(Py_BuildValue(
      "{sOsOsOsdsdsOsn}", "there", there ? Py_True : Py_False, "stale", stale ? Py_True : Py_False,
      "failure", failure ? Py_True : Py_False, "fresh_for", age, "dies_in", dies, "computing",
      flying > 0 ? Py_True : Py_False, "entries", static_cast<Py_ssize_t>(table_->size())));
}

int Function::traverse(visitproc visit, void* arg) {
  Py_VISIT(wrapped_.get());
  const auto look = [&](PyObject* object) { return object == nullptr ? 0 : visit(object, arg); };
  if (const int stopped = options_.each(look)) return stopped;
  if (const int stopped = signature_.traverse(visit, arg)) return stopped;
  return own_table_ ? own_table_->traverse(visit, arg) : 0;
}

void Function::retire() {
  instances_.disown();
  clear();
}

std::size_t Function::entries() {
  return own_table_ ? table_->size() : table_->size_of(prefix_.get());
}

// Somebody serves what there is. If it is fresh, or stale and nobody waits, this caller does.
Object Function::serve_or_refresh(const Call& call, Table::Hit& hit, bool fresh) {
  const Object kept = Object::shared(hit.value());
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
    if (!find_anything(call.question())) return compute(call, false, false);  // Invalidated.
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
