// SPDX-License-Identifier: MIT
/// The near tier of one function: keys and results of the interpreter.
///
/// Guarded by the interpreter's lock. What leaves the table is let go of after it has left, so the
/// finalisers that run then may call back into it.
#pragma once

#include <atomic>
#include <cstddef>
#include <optional>

#include "dcache/engine/roster.hpp"
#include "dcache/memory.hpp"

#include "key.hpp"
#include "object.hpp"

namespace dcache::python {

/// How a table is made.
struct TableOptions {
  std::optional<std::size_t> entries_max;  // > 0; nothing: unbounded.
  Policy policy = Policy::adaptive;
};

class Table {
 public:
  using Near = Memory<Key, PyObject*, KeyHash, KeyEqual>;
  using Hit = Near::Hit;

  explicit Table(const TableOptions& options) : near_(near_options(options)) {}
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;
  ~Table() { clear(); }

  /// Looks without asking anybody's `==`: if there is no hit, `question` may be in doubt.
  DCACHE_HOT void find(const Question& question, Hit& hit, bool use = true) {
    near_.find(question, question.hash(), hit, use);
  }

  /// Looks, and asks where there is doubt. Throws `Raised` if an `==` does.
  void find_surely(const Question& question, Hit& hit, bool use) {
    for (find(question, hit, use); !hit && question.answer();) find(question, hit, use);
  }

  /// Keeps `result`, instead of what `question` is answered with now, if anything, unless
  /// `*detached` is set. Asks in doubt; throws `Raised`.
  void store(const Question& question, PyObject* result, const engine::Terms& terms,
             const std::atomic<bool>* detached);

  /// Forgets what `question` is answered with. Asks in doubt. True: there was something.
  bool erase(const Question& question);

  void set_review(const Question& question, engine::Moment review) {
    near_.set_review(question, question.hash(), review);
  }
  void clear() { near_.clear(); }
  std::size_t size() const noexcept { return near_.size(); }
  Near& near() noexcept { return near_; }

 private:
  static Near::Options near_options(const TableOptions& options) {
    Near::Options near;
    near.max_entries = options.entries_max;
    near.policy = options.policy;
    near.on_removal = [](const Key& key, PyObject* const& result, Cause) {
      Py_DECREF(key.object);
      Py_DECREF(result);
    };
    return near;
  }

  // The key in the table that is the same as the one asked for: whoever comes first stays.
  Object key_of(const Question& question);

  Near near_;
};

}  // namespace dcache::python
