// SPDX-License-Identifier: MIT
// A `Miss` and its far tiers. What blocks a plain function is a step here, and the driver awaits.
#include <algorithm>
#include <utility>

#include "errors.hpp"
#include "failure.hpp"
#include "miss.hpp"
#include "mode.hpp"

namespace dcache::python {
namespace {

thread_local PyObject* stepping_loop = nullptr;  // Borrowed.

class StepsOn {
 public:
  explicit StepsOn(PyObject* loop) noexcept : before_(std::exchange(stepping_loop, loop)) {}
  StepsOn(const StepsOn&) = delete;
  StepsOn& operator=(const StepsOn&) = delete;
  ~StepsOn() { stepping_loop = before_; }

 private:
  PyObject* const before_;
};

}  // namespace

Object loop_that_steps() noexcept { return Object::shared(stepping_loop); }

Sight Miss::sight() const {
  if (background_) return Sight::background;
  const bool blind = restarted_ || (mode_may_differ && current_mode() == Mode::refresh);
  return blind ? Sight::blind : Sight::all;
}

bool Miss::look_far(bool waits) {
  if (!begin_far()) return false;
  if (sight() == Sight::all) suspect_ = function_.find_fresh(call_.question());
  walk_.emplace(far_->look(&leadership_.flight()->guard(), sight(), waits));
  return true;
}

void Miss::gather(PyObject* misses) {
  const Py_ssize_t count = PyList_GET_SIZE(misses);
  auto batch = std::make_unique<Batch>();
  batch->misses = Object::shared(misses);
  batch->walks.reserve(static_cast<std::size_t>(count) + 1);
  const auto add = [&](Miss& miss) {
    batch->walks.push_back(std::move(*miss.walk_));
    miss.walk_.reset();
    miss.far_->join(batch->batch, batch->walks.back());
  };
  add(*this);
  for (Py_ssize_t i = 0; i < count; ++i) add(miss_of(PyList_GET_ITEM(misses, i)));
  batch_ = std::move(batch);
  walk_.emplace(batch_->batch.go());
}

void Miss::drive_far() {
  drive(std::move(*walk_));
  drop_walk();
}

bool Miss::begin_far() {
  if (!function_.far_side()) return false;
  far_.emplace(function_, call_);
  if (!*far_) far_.reset();
  return far_.has_value();
}

bool Miss::store_far(PyObject* result) {
  if (!far_) return false;
  far_->end();
  if (is_once_only(result)) return false;
  try {
    life_ = function_.life_of(result);
    if (!life_ && sight() == Sight::blind && far_mode().writes) {
      walk_.emplace(far_->erase());  // What it was to take the place of goes as well.
      return true;
    }
    if (!life_) return false;
    auto walk = far_->store(result, *life_, &leadership_.flight()->guard(), false);
    if (!walk) return false;
    walk_.emplace(std::move(*walk));
    return true;
  } catch (const Raised&) {
    unkept_ = Exception::take();
    return false;
  }
}

bool Miss::step_far(PyObject* loop) {
  if (walk_waits_) {
    engine::Op* const op = walk_->op();
    const bool completed = op != nullptr && op->completed();
    if (!completed && std::chrono::steady_clock::now() < walk_->until()) return true;
    if (wake_) wake_->take_future();
    if (!completed && op != nullptr && walk_->abandon() && wake_) wake_->stop_listening();
    wake_ = {};
  }
  {
    const StepsOn here(loop);
    const engine::OnLoop asks(known_waker(loop));
    walk_waits_ = !step(*walk_);
  }
  if (!walk_waits_) drop_walk();
  return walk_waits_;
}

double Miss::far_patience() const noexcept {
  const auto left = walk_->until() - std::chrono::steady_clock::now();
  return std::clamp(std::chrono::duration<double>(left).count(), 0.0, 3600.0);
}

Object Miss::wake_far(PyObject* waker) {
  const bool listens = static_cast<bool>(wake_);
  if (!wake_) wake_ = engine::make_ref<FutureWake>(loop_waker_of(waker));
  return python::wait_on(waker, *wake_, walk_->until(), listens ? nullptr : walk_->op());
}

Object Miss::take_far() {
  Object found = far_->found();
  if (!found && suspect_ && far_->unreachable()) {
    found = suspect_;
    function_.pause(call_.question());
  }
  if (!found && background_ && far_->busy()) found = function_.find_anything(call_.question());
  if (!found) {
    far_->begin();
    return Object();
  }
  if (mark_) end_mark(mark_.get());
  if (!background_) ++function_.count().hits;
  const bool refresh_due = far_->refresh_due();
  finish(engine::Outcome<Kept>::of(Kept(found)), false);
  if (refresh_due) function_.refresh_found(call_);
  return function_.give(found.get());
}

void Miss::commit(PyObject* result, const std::atomic<bool>& detached) {
  const bool blind = sight() == Sight::blind;
  if (!far_ || is_failure(result)) {
    return function_.store(call_, result, &detached, false, nullptr, blind);
  }
  if (far_->served_stale()) {
    if (function_.options().keeps) function_.pause(call_.question());
    return;
  }
  if (unkept_) std::exchange(unkept_, std::nullopt)->rethrow();
  if (life_ && !far_->refused()) {
    function_.store_near(call_, result, *life_, &detached, false, far_->stored());
  } else if (!life_ && blind && !detached) {
    function_.table().erase(call_.question());
  }
}

// --- The verbs of a coroutine function ---

bool Miss::detach() { return function_.detach(call_.question()); }

bool Miss::erase_far() {
  if (!function_.far_side()) return false;
  require_far_writes();
  if (!begin_far()) return false;
  walk_.emplace(far_->erase());
  return true;
}

bool Miss::erase_near() {
  const bool erased = function_.table().erase(call_.question());
  return erased || function_.far_side();
}

bool Miss::prepare_far() {
  if (!function_.far_side()) return false;
  require_far_writes();
  if (!begin_far()) return false;
  walk_.emplace(far_->prepare());
  return true;
}

bool Miss::put_far(PyObject* value) {
  life_ = function_.life_of(value);
  if (!far_) return false;
  if (!life_) {
    walk_.emplace(far_->erase());
    return true;
  }
  auto walk = far_->store(value, *life_, nullptr, true);
  if (!walk) return false;
  walk_.emplace(std::move(*walk));
  return true;
}

void Miss::put_near(PyObject* value) {
  if (!life_) life_ = function_.life_of(value);
  if (life_) {
    function_.store_near(call_, value, *life_, nullptr, false, far_ && far_->stored());
  } else {
    function_.table().erase(call_.question());
  }
}

bool Miss::peek_far() {
  if (Object sure = function_.find_fresh(call_.question(), &suspect_)) {
    suspect_ = std::move(sure);
    return false;
  }
  if (!begin_far()) return false;
  walk_.emplace(far_->peek());
  return true;
}

Object Miss::peeked() {
  Object found = far_ ? far_->found() : Object();
  if (!found && suspect_ && (!far_ || far_->unreachable())) found = suspect_;
  if (!found || is_failure(found.get())) return Object();
  return function_.give(found.get());
}

void Miss::drop_walk() noexcept {
  if (wake_) wake_->take_future();
  if (walk_ && walk_waits_ && walk_->op() != nullptr && walk_->abandon() && wake_) {
    wake_->stop_listening();
  }
  wake_ = {};
  walk_.reset();
  batch_.reset();
}

}  // namespace dcache::python
