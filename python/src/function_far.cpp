// SPDX-License-Identifier: MIT
// What a function asks of its far tiers, and what it keeps of their answers.
#include <optional>
#include <utility>

#include "far.hpp"
#include "function.hpp"
#include "miss.hpp"
#include "mode.hpp"

namespace dcache::python {

Object Function::far_side() {
  if (far_asked_ == far_epoch) [[likely]]
    return far_side_;
  // Other threads go on with what there was until it is known; several may ask.
  const std::uint32_t epoch = far_epoch;
  const bool may_default = !options_.cache && !options_.raw && may_have_far_default();
  if (!options_.far && !may_default) {
    far_asked_ = epoch;
    return far_side_ = Object();
  }
  return resolve_far(epoch);
}

Object Function::resolve_far(std::uint32_t epoch) {
  const Object module = Object::checked(PyImport_ImportModule("dcache._far"));
  PyObject* const far = options_.far ? options_.far.get() : Py_None;
  PyObject* const identity = options_.identity ? options_.identity.get() : Py_None;
  Object side = Object::checked(
      PyObject_CallMethod(module.get(), "resolve", "OOOO", wrapped_.get(), identity, far,
                          options_.typing == Typing::loose ? Py_False : Py_True));
  if (side.get() == Py_None) side = Object();
  far_asked_ = epoch;
  return far_side_ = std::move(side);
}

// Nothing of what it waits for keeps the interpreter's lock.
std::optional<Kept> Function::find_far(FarFlight& far, const Call& call,
                                       const std::atomic<bool>& detached, Sight sight) {
  try {
    const Question& question = call.question();
    Object suspect;
    if (sight == Sight::all) {
      if (Object sure = find_fresh(question, &suspect)) return Kept(std::move(sure));
    }
    drive(far.look(&detached, sight));
    if (Object found = far.found()) return Kept(std::move(found));
    if (sight == Sight::background && far.busy()) {
      if (Object there = find_anything(question)) return Kept(std::move(there));
    }
    // As long as nobody can be asked, it lives to its own end.
    if (!suspect || !far.unreachable()) return std::nullopt;
    pause(question);
    return Kept(std::move(suspect));
  } catch (const Raised&) {
    fail();
  }
}

// Somebody computes it, maybe in the background while there is a fresh result: where memory keeps
// nothing, only the far tiers know.
Object Function::glance(const Call& call) {
  FarFlight far(*this, call);
  drive(far.peek());
  Object found = far.found();
  if (found) ++counts_.hits;
  return found;
}

void Function::keep_found(const Call& call, PyObject* result, const engine::RecordTimes& times,
                          engine::WallTime now, const Far& far, const std::atomic<bool>* detached) {
  if (!options_.keeps) return;
  const auto after = [&](Duration span) { return table_->near().after(span); };
  const engine::Terms terms = engine::terms_of(times, now, options_.freshness, after);
  table_->store(call.question(), call.make_key(), result,
                engine::suspected(terms, far.near_ttl, options_.freshness.stale_for, after),
                detached, false);
}

void Function::store(const Call& call, PyObject* result, const std::atomic<bool>* detached,
                     bool absent, FarFlight* far, bool blind) {
  if (!options_.keeps && far == nullptr) return;
  if (far != nullptr && far->served_stale()) {  // Nobody tries again for a moment.
    if (options_.keeps) pause(call.question());
    return;
  }
  const std::uint64_t version = table_->version();
  const std::optional<Life> life = life_of(result);
  if (!life) {
    if (!blind || (detached != nullptr && *detached)) return;
    if (far != nullptr && far_mode().writes) drive(far->erase());
    table_->erase(call.question());
    return;
  }
  bool went_far = false;
  if (far != nullptr) {
    if (auto walk = far->store(result, *life, detached, false)) {
      drive(std::move(*walk));
      went_far = far->stored();
    }
    if (far->refused()) return;
  }
  absent = absent && version == table_->version();  // Nobody's code has stored it meanwhile.
  store_near(call, result, *life, detached, absent, went_far);
}

void Function::refresh_found(const Call& call) {
  const Question& question = call.question();
  auto joined =
      flights().join(question.hash(), question, [&] { return flight_key(call); }, limits().now());
  if (!joined.leader) return;
  if (options_.keeps) pause(question);
  engine::Leadership<Running> leadership(flights(), std::move(joined.flight), limits().now);
  if (!refresh_in_background(*this, call, std::move(leadership))) ++counts_.refresh_failures;
}

void Function::believe(const Question& question) {
  const auto near_ttl = far_of(far_side_.get())->near_ttl;
  table_->set_review(question, table_->near().after(near_ttl.value_or(pause_span())));
}

// (tier, what it said, seconds) for each; None: there are none.
Object Function::explain_far(const Call& call) {
  FarFlight far(*this, call);
  if (!far) return Object::shared(Py_None);
  drive(far.peek(true));
  Object tiers = Object::checked(PyList_New(0));
  for (const engine::TierSaid& each : far.said()) {
    append(tiers, Object::checked(Py_BuildValue("(ssd)", each.tier.c_str(), each.said.c_str(),
                                                std::chrono::duration<double>(each.took).count())));
  }
  return tiers;
}

}  // namespace dcache::python
