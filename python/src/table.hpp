// SPDX-License-Identifier: MIT
/// A near tier: keys and results of the interpreter, of one function or of several.
///
/// Guarded by the interpreter's lock. What leaves the table is let go of after it has left, so the
/// finalisers that run then may call back into it.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "dcache/engine/roster.hpp"
#include "dcache/memory.hpp"

#include "key.hpp"
#include "object.hpp"
#include "recent.hpp"

namespace dcache::python {

/// How a table is made.
struct TableOptions {
  std::optional<std::size_t> entries_max;  // > 0; nothing: unbounded.
  std::optional<std::uint64_t> weight_max;
  Object weigher;  // Of the result; none: bytes of key and result, not of what they refer to.
  Policy policy = Policy::adaptive;
  Object clock;  // A `ManualClock`; none: the machine's.
};

class Table {
 public:
  using Near = Memory<Key, PyObject*, KeyHash, KeyEqual>;
  using Hit = Near::Hit;

  explicit Table(const TableOptions& options);
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;
  ~Table() { clear(); }

  /// Looks without asking anybody's `==`: if there is no hit, `question` may be in doubt.
  DCACHE_HOT void find(const Question& question, Hit& hit, bool use = true) {
    near_.find(question, question.hash(), hit, use);
  }

  /// The same by identity alone, for `hit_again`; or null.
  DCACHE_HOT const Recent::Entry* recall(const Arguments& arguments) const noexcept {
    return recent_.find(arguments);
  }
  /// A hit that may be served as it is, or null. Borrowed.
  DCACHE_HOT PyObject* hit_again(const Recent::Entry& entry) noexcept {
    engine::Moment now = 0;
    if (entry.until != engine::no_moment) {
      now = near_.now();
      if (now >= entry.until) [[unlikely]]
        return nullptr;
    }
    near_.hit_again(entry.hash, entry.slot, now);
    return entry.result;
  }
  /// What `find` found, for `recall`. REQUIRES: a hit that is not to be reviewed.
  void remember(const Question& question, const Hit& hit) noexcept {
    const engine::Moment until = std::min(hit.terms().dies, hit.terms().review);
    recent_.note(question.arguments(),
                 {hit.key().object, hit.value(), question.hash(), until, hit.slot()});
  }

  /// Looks, and asks where there is doubt. Throws `Raised` if an `==` does.
  void find_surely(const Question& question, Hit& hit, bool use) {
    for (find(question, hit, use); !hit && question.answer();) find(question, hit, use);
  }

  /// Keeps `result`, instead of what `question` is answered with now, if anything, unless
  /// `*detached` is set. `key` is used if there is nothing (`absent`: there is not). Asks in doubt;
  /// throws `Raised`.
  void store(const Question& question, Object key, PyObject* result, const engine::Terms& terms,
             const std::atomic<bool>* detached, bool absent) {
    if (!absent || weighs_) return store_instead(question, key, result, terms, detached);
    put(key, question.hash(), result, terms, detached, true);
  }
  /// Another number whenever something may have been stored since.
  std::uint64_t version() const noexcept { return version_; }

  /// Forgets what `question` is answered with. Asks in doubt. True: there was something.
  bool erase(const Question& question);
  bool erase(const Key& key) {
    recent_.forget(key.object);
    return near_.erase(key, key.hash);
  }
  /// The instance that this key stands for is gone: the entry will be erased.
  void about_to_leave(PyObject* key) noexcept { recent_.forget(key); }
  /// Forgets all entries of the function that `prefix` stands for.
  void erase_all_of(PyObject* prefix);

  void set_review(const Question& question, engine::Moment review) {
    recent_.forget_all();
    near_.set_review(question, question.hash(), review);
  }
  void clear() {
    recent_.forget_all();
    near_.clear();
  }
  std::size_t size() const noexcept { return near_.size(); }
  std::size_t size_of(PyObject* prefix);
  Near& near() noexcept { return near_; }

  /// For the collector: everything that this holds.
  int traverse(visitproc visit, void* arg);

 private:
  Near::Options near_options(const TableOptions& options);
  std::uint64_t weigh(PyObject* key, PyObject* result) const;

  void store_instead(const Question& question, Object& key, PyObject* result,
                     const engine::Terms& terms, const std::atomic<bool>* detached);
  // Runs no Python before the entry is stored.
  DCACHE_HOT void put(Object& key, std::uint64_t hash, PyObject* result, const engine::Terms& terms,
                      const std::atomic<bool>* detached, bool absent) {
    ++version_;
    // What is replaced must not be met by what runs when it goes.
    if (!absent) recent_.forget(key.get());
    Object kept = Object::shared(result);
    const auto stored =
        near_.store(Key{key.get(), hash}, kept.get(), hash, terms, detached, absent);
    if (stored == engine::Stored::inserted || stored == engine::Stored::replaced) {
      key.release();  // The table owns them now.
      kept.release();
    }
  }
  // The key in the table that is the same as the one asked for: whoever comes first stays.
  Object key_of(const Question& question);

  const Object weigher_;
  const bool weighs_;
  std::uint64_t weight_ = 0;  // Of what is being stored: no Python runs inside the table.
  std::uint64_t version_ = 0;
  Recent recent_;
  Near near_;
};

/// The clock that tests move; what `ManualClock` objects hold.
const Clock* clock_of(PyObject* manual_clock) noexcept;

}  // namespace dcache::python
