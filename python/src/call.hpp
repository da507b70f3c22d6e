// SPDX-License-Identifier: MIT
/// One call of a function: as it was spelled, for the body, and as it is keyed.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "key.hpp"
#include "object.hpp"
#include "signature.hpp"

namespace dcache::python {

class Function;

/// Objects in the place of arguments. Owns them. Does not move.
class Substitutes {
 public:
  Substitutes() = default;
  Substitutes(const Substitutes&) = delete;
  Substitutes& operator=(const Substitutes&) = delete;
  ~Substitutes() {
    for (Py_ssize_t i = 0; i < count_; ++i) Py_DECREF(items_[i]);
  }

  bool empty() const noexcept { return count_ == 0; }
  Arguments arguments(Py_ssize_t weak_at) const noexcept { return {items_, count_, weak_at}; }

  /// Takes the place of all of these. REQUIRES: empty.
  void take(const Arguments& arguments) {
    if (arguments.size() > in_place) {
      many_.resize(static_cast<std::size_t>(arguments.size()));
      items_ = many_.data();
    }
    for (; count_ < arguments.size(); ++count_) {
      items_[count_] = Object::shared(arguments[count_]).release();
    }
  }
  void replace(Py_ssize_t at, Object by) noexcept {
    Py_DECREF(std::exchange(items_[at], by.release()));
  }

 private:
  static constexpr Py_ssize_t in_place = 6;

  Py_ssize_t count_ = 0;
  PyObject** items_ = few_;
  PyObject* few_[in_place];
  std::vector<PyObject*> many_;
};

/// Borrows the arguments. Does not move: what it is keyed by may point into it.
class Call {
 public:
  /// Binds and hashes. Throws `Raised`.
  Call(Function& function, PyObject* const* args, Py_ssize_t count, PyObject* names);
  /// Of a call that was bound and hashed before. REQUIRES: the question outlives this.
  Call(Function& function, PyObject* const* args, Py_ssize_t count, PyObject* names,
       const Question& question) noexcept
      : function_(function), args_(args), count_(count), names_(names), question_(question) {}
  /// Of a call that is bound as it is spelled, and of which the hash is known.
  Call(Function& function, PyObject* const* args, Py_ssize_t count, PyObject* names,
       const Arguments& arguments, std::uint64_t hash);
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  const Question& question() const noexcept { return question_; }
  PyObject* const* args() const noexcept { return args_; }
  Py_ssize_t count() const noexcept { return count_; }
  PyObject* names() const noexcept { return names_; }
  /// What the user's `key` made of it, containers as they are; or none. REQUIRES: it was bound
  /// here.
  const Object& made() const noexcept { return binding_->made; }
  /// What it is keyed by, as an object to keep. Throws `Raised`. This and the next are in
  /// function.hpp.
  inline Object make_key() const;
  /// Runs the body; null: it raised.
  inline PyObject* run() const;

 private:
  // Most calls that come here have been bound and hashed, and need none.
  struct Binding {
    Bound bound;
    Substitutes substitutes;
    Object made;  // By the user's `key`.
    std::optional<Question> question;
  };

  // Null.
  static PyObject* refuse_to_go_deeper();
  const Question& ask(Function& function);
  Arguments ask_key(Function& function);
  template <class Which>
  Arguments by_content(const Arguments& arguments, Which which);

  Function& function_;
  PyObject* const* args_;
  Py_ssize_t count_;
  PyObject* names_;
  std::optional<Binding> binding_;
  const Question& question_;
};

/// The arguments of a call that outlives the one who made it. Owns them.
class Spelling {
 public:
  Spelling(PyObject* const* args, Py_ssize_t count, PyObject* names);
  Spelling(const Spelling&) = delete;
  Spelling& operator=(const Spelling&) = delete;
  ~Spelling();

  PyObject* const* args() const noexcept { return args_.data(); }
  Py_ssize_t count() const noexcept { return count_; }
  PyObject* names() const noexcept { return names_.get(); }

  int traverse(visitproc visit, void* arg) const;

 private:
  std::vector<PyObject*> args_;  // Owned; those of the names at the end.
  Py_ssize_t count_;
  Object names_;
};

}  // namespace dcache::python
