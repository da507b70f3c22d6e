// SPDX-License-Identifier: MIT
/// The callable that `@dcache` returns, and what stands behind it.
///
/// The way of a call: bind to the parameters (`signature`), hash each argument once and look
/// (`table`): a fresh hit ends there, without a Python frame, tuple or dict. Else `answer`: who
/// computes, and who waits (`flights`).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "dcache/engine/flights.hpp"
#include "dcache/engine/freshness.hpp"

#include "object.hpp"
#include "signature.hpp"
#include "table.hpp"
#include "waiting.hpp"

namespace dcache::python {

/// What the decorator was given, already checked.
struct Options {
  TableOptions table;
  bool keeps = true;      // False: `maxsize=0`, which only counts.
  bool coalesces = true;  // False: the strict drop-in, where each caller runs the body.
  bool raw = false;       // The strict drop-in's keys: the spelling of the call.
  Typing typing = Typing::exact;
  std::optional<Duration> ttl;
  Object cache_if;  // Of the result; or none.
  Object key;       // Of the arguments; or none.
  Object ignore;    // A tuple of names; or none.
  engine::Freshness freshness;
  Duration flight_timeout{std::chrono::seconds(30)};
};

class Function {
 public:
  Function(Object wrapped, Options options);

  /// The vectorcall of the object. Throws `Raised`.
  Object call(PyObject* const* args, std::size_t count_and_flags, PyObject* names);

  Object refresh(PyObject* const* args, Py_ssize_t count, PyObject* names);
  /// A fresh result, or none.
  Object peek(PyObject* const* args, Py_ssize_t count, PyObject* names);
  bool invalidate(PyObject* const* args, Py_ssize_t count, PyObject* names);
  void put(PyObject* result, PyObject* const* args, Py_ssize_t count, PyObject* names);
  void clear();

  /// For the collector: everything that this holds, cached results included.
  int traverse(visitproc visit, void* arg);

  std::uint64_t hits() const noexcept { return hits_; }
  std::uint64_t misses() const noexcept { return misses_; }
  Table& table() noexcept { return table_; }
  const Object& wrapped() const noexcept { return wrapped_; }
  const Options& options() const noexcept { return options_; }

 private:
  // What a flight's key is, for as long as it flies; the view is a `Question`.
  struct FlightEqual {
    bool operator()(const Kept& key, const Question& question) const;
  };
  using Running = engine::Flights<Kept, Kept, FlightEqual>;
  class Call;

  std::optional<std::uint64_t> hash(const Arguments& arguments, Contents contents) const;
  void blame(const Arguments& arguments) const;
  Object give(const Table::Hit& hit) noexcept {
    ++hits_;
    return Object::shared(hit.value());
  }
  Object answer(const Call& call, Table::Hit& hit);
  Object compute(const Call& call, bool may_be_stale);
  template <class Recheck>
  auto flight_call(const Call& call, Recheck recheck);
  Object run(const Call& call);
  Object find_fresh(const Question& question);
  Object find_after_failure(const Question& question);
  void store(const Question& question, PyObject* result, const std::atomic<bool>* detached);
  engine::FlightLimits limits() const noexcept;
  void measured(std::chrono::nanoseconds cost) noexcept;

  const Object wrapped_;
  const Options options_;
  const bool plain_;  // No `key` stands between arguments and their hash.
  Signature signature_;
  Table table_;
  Running flights_;
  std::uint64_t hits_ = 0;
  std::uint64_t misses_ = 0;
  std::chrono::nanoseconds cost_{0};
};

}  // namespace dcache::python
