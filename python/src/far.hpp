// SPDX-License-Identifier: MIT
/// The far tiers of a function under the interpreter: what the package found out about them
/// (`dcache/_far.py`), and one call's way through them.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>

#include "dcache/engine/far_batch.hpp"
#include "dcache/engine/far_side.hpp"
#include "dcache/engine/tiers.hpp"

#include "call.hpp"
#include "object.hpp"
#include "waiting.hpp"

namespace dcache::python {

class Function;

/// Another number whenever functions have to ask again which far tiers are theirs.
extern std::uint32_t far_epoch;
/// Whether a function that names no backend may have any.
bool may_have_far_default() noexcept;

/// What is done with a result that has no form in bytes.
enum class Unstorable : std::uint8_t { warn, raise, ignore };

/// Of one function. Immutable. Guarded by the interpreter's lock.
struct Far {
  std::shared_ptr<engine::FarFunction> function;
  Object chain;  // The `Chain` of the function, with what its backends need.
  Object codec;  // A `ValueCodec`, or an object with `name`, `encode` and `decode`.
  std::string codec_name;
  bool is_plain = true;  // It is a `ValueCodec`.
  std::optional<Duration> near_ttl;
  Unstorable unstorable = Unstorable::warn;
  bool named = true;  // The code names its backend; else what cannot go far stays near.
};
/// Of a `FarSide`; null for None.
const Far* far_of(PyObject* object) noexcept;

using engine::Life;
using engine::Sight;

/// One call's way. Does not move; outlives its walks. Guarded by the interpreter's lock, which the
/// walks do without.
class FarFlight {
 public:
  /// Makes the key. Empty: the function has no far tiers, or the call stays near. Throws `Raised`:
  /// UnkeyableError.
  FarFlight(Function& function, const Call& call);
  FarFlight(const FarFlight&) = delete;
  FarFlight& operator=(const FarFlight&) = delete;

  explicit operator bool() const noexcept { return call_.has_value(); }

  // The walks, for whoever drives them.

  /// `waits`: for another process that computes it.
  engine::Walk look(const std::atomic<bool>* detached, Sight sight, bool waits = true);
  /// `walk`, which has not begun, is part of this batch.
  void join(engine::FarBatch& batch, engine::Walk& walk) { batch.add(*call_, walk); }
  /// Before a `store` that is explicit.
  engine::Walk prepare();
  engine::Walk peek(bool explains = false);
  /// Nothing: it is not stored, for it has no form, or the mode forbids it.
  std::optional<engine::Walk> store(PyObject* result, const Life& life,
                                    const std::atomic<bool>* detached, bool explicitly);
  engine::Walk erase() { return call_->erase(); }

  /// What came of `look` or `peek`; empty: nothing. Throws `Raised`.
  Object found();
  /// What a failure may be answered with; none if it was invalidated meanwhile.
  Object stale_instead();
  bool served_stale() const noexcept { return served_stale_; }
  /// Another process computes it at this moment.
  bool busy() const noexcept { return call_->busy(); }
  /// No tier could be asked.
  bool unreachable() const noexcept { return call_->unreachable(); }
  /// A tier has what was stored.
  bool stored() const noexcept { return call_->stored(); }
  /// Another process has invalidated the call since it was looked for.
  bool refused() const noexcept { return call_->refused(); }
  /// What was found is old enough for a refresh.
  bool refresh_due() const noexcept { return refresh_due_; }
  const std::vector<engine::TierSaid>& said() const noexcept { return call_->said(); }
  /// The body begins, and has ended.
  void begin() noexcept { begun_ = std::chrono::steady_clock::now(); }
  void end() noexcept { cost_ = std::chrono::steady_clock::now() - begun_; }

 private:
  engine::RecordFault take(const engine::Record& record, engine::WallTime now, bool keeps,
                           const std::atomic<bool>* detached);
  engine::RecordFault decode(const engine::Record& record, Object& value) const;
  bool encode(PyObject* result, std::string& bytes) const;

  Function& function_;
  const Call& asked_;
  const Far* far_ = nullptr;
  Object owner_;  // Of `far_`.
  std::optional<engine::FarCall> call_;
  Object found_;
  Object stale_;
  std::optional<Exception> raised_;  // While a value was read.
  bool refresh_due_ = false;
  bool served_stale_ = false;
  Sight sight_ = Sight::all;
  const std::atomic<bool>* detached_ = nullptr;
  std::chrono::steady_clock::time_point begun_;
  std::chrono::nanoseconds cost_{0};
};

/// Drives a walk to its end on this thread, without the interpreter's lock; answers Ctrl-C. Throws
/// `Raised`.
void drive(engine::Walk walk);
/// One step of it, with the lock. True: it has ended. Throws `Raised`.
bool step(engine::Walk& walk);

/// Makes the types, `FarSide`, `Chain` and those of backends. False: a Python error is set.
bool prepare_far(PyObject* module);
bool prepare_backends(PyObject* module);

/// Of a `Chain`. REQUIRES: it is one.
const std::shared_ptr<engine::Chain>& chain_of(PyObject* object) noexcept;
bool is_chain(PyObject* object) noexcept;
/// A list with a dict for each tier. Throws `Raised`.
Object stats_of_chain(const engine::Chain& chain);

}  // namespace dcache::python
