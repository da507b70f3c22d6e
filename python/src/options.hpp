// SPDX-License-Identifier: MIT
/// What the decorator was given, already checked by the package.
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>

#include "dcache/clock.hpp"
#include "dcache/engine/freshness.hpp"

#include "key.hpp"
#include "object.hpp"
#include "table.hpp"

namespace dcache::python {

struct Options {
  TableOptions table;
  Object far;             // What the code says about far tiers, for the package; or none.
  Object cache;           // The `Cache` whose table it shares; or none.
  bool keeps = true;      // False: `maxsize=0`, which only counts.
  bool coalesces = true;  // False: the strict drop-in, where each caller runs the body.
  bool raw = false;       // The strict drop-in's keys: the spelling of the call.
  bool async = false;     // The function is a coroutine function.
  bool copies = false;    // Each caller gets a deep copy.
  Typing typing = Typing::exact;
  std::optional<Duration> ttl;
  Object ttl_of;        // Of the result: seconds, or <= 0; or none.
  Object cache_if;      // Of the result; or none.
  Object cache_errors;  // A tuple of (class, seconds); or none.
  Object key;           // Of the arguments; or none.
  Object ignore;        // A tuple of names; or none.
  engine::Freshness freshness;
  std::optional<Duration> wait;
  Object identity;       // A tuple (name, version, namespace), each text or None.
  Object on_background;  // Called with what it is to run; or none.
  Duration flight_timeout{std::chrono::seconds(30)};

  /// True: a hit is the stored object, nothing more is done with it.
  bool gives_as_stored() const noexcept { return !copies && !cache_errors; }
  /// True: whatever the body returns is kept, and has no end.
  bool keeps_for_good() const noexcept {
    return keeps && !cache_if && !cache_errors && !ttl && !ttl_of;
  }

  /// Calls `visit(object)` for every object that the user gave.
  template <class Visit>
  int each(Visit&& visit) const {
    for (const Object* object : {&far, &cache, &ttl_of, &cache_if, &cache_errors, &key, &ignore,
                                 &identity, &on_background, &table.clock}) {
      if (const int stopped = visit(object->get())) return stopped;
    }
    return 0;
  }
};

/// The same from what the package passes to the `Function` type; fills the others. Throws `Raised`.
Options read_options(PyObject* args, PyObject* kwargs, Object& wrapped, bool& method,
                     bool& binds_class);

/// Seconds as a duration; beyond thirty years they are thirty years. Throws `Raised`.
Duration seconds_of(PyObject* number);
/// A count, or nothing for None. Throws `Raised`.
std::optional<std::size_t> number_of(PyObject* object);

}  // namespace dcache::python
