// SPDX-License-Identifier: MIT
#include "call.hpp"

#include <utility>

#include "canonical.hpp"
#include "function.hpp"

namespace dcache::python {

Call::Call(Function& function, PyObject* const* args, Py_ssize_t count, PyObject* names)
    : function_(function), args_(args), count_(count), names_(names), question_(ask(function)) {}

Call::Call(Function& function, PyObject* const* args, Py_ssize_t count, PyObject* names,
           const Arguments& arguments, std::uint64_t hash)
    : function_(function),
      args_(args),
      count_(count),
      names_(names),
      question_(binding_.emplace().question.emplace(arguments, hash, function.options().typing)) {}

PyObject* Call::refuse_to_go_deeper() {
  PyErr_SetString(PyExc_RecursionError,
                  "maximum recursion depth exceeded: cached functions have called each other until "
                  "the stack of this thread was full");
  return nullptr;
}

// What has no canonical form goes by its own hash and `==`.
template <class Which>
Arguments Call::by_content(const Arguments& arguments, Which which) {
  Substitutes& substitutes = binding_->substitutes;
  const Py_ssize_t weak_at = arguments.weak_at();
  for (Py_ssize_t i = 0; i < arguments.size(); ++i) {
    if (i == weak_at || !which(arguments[i])) continue;
    Object key = canonical_key(arguments[i]);
    if (!key) continue;
    if (substitutes.empty()) substitutes.take(arguments);
    substitutes.replace(i, std::move(key));
  }
  return substitutes.empty() ? arguments : substitutes.arguments(weak_at);
}

const Question& Call::ask(Function& function) {
  const Options& options = function.options();
  Bound& spelled = binding_.emplace().bound;
  function.signature().bind(args_, count_, names_, spelled);
  Arguments arguments = options.key ? ask_key(function) : spelled.arguments(function.is_method());
  if (options.typing == Typing::exact) {
    const auto is_container = [](PyObject* each) { return keyed_by_content(Py_TYPE(each)); };
    arguments = by_content(arguments, is_container);
  }
  auto hash = function.hash(arguments, Contents::replaced);
  if (!hash) {
    const auto is_other = [](PyObject* each) {
      return !keyed_by_content(Py_TYPE(each)) && refuses_hash(each);
    };
    arguments = by_content(arguments, is_other);
    hash = function.hash(arguments, Contents::exhausted);
  }
  return binding_->question.emplace(arguments, hash.value(), options.typing);
}

// What the user's function of the bound arguments says.
Arguments Call::ask_key(Function& function) {
  Binding& binding = *binding_;
  std::vector<PyObject*> args;
  const Object names = function.signature().spell(binding.bound, args);
  const Py_ssize_t by_name = names ? PyTuple_GET_SIZE(names.get()) : 0;
  const auto positional = static_cast<std::size_t>(std::ssize(args) - by_name);
  binding.made = Object::checked(
      PyObject_Vectorcall(function.options().key.get(), args.data(), positional, names.get()));
  PyObject* const items[] = {function.prefix().get(), binding.made.get()};
  const bool prefixed = items[0] != nullptr;
  binding.substitutes.take(Arguments(prefixed ? items : items + 1, prefixed ? 2 : 1));
  return binding.substitutes.arguments(Arguments::none);
}

Spelling::Spelling(PyObject* const* args, Py_ssize_t count, PyObject* names)
    : args_(args, args + count + (names == nullptr ? 0 : PyTuple_GET_SIZE(names))),
      count_(count),
      names_(Object::shared(names)) {
  for (PyObject* const argument : args_) Py_INCREF(argument);
}

Spelling::~Spelling() {
  for (PyObject* const argument : args_) Py_DECREF(argument);
}

int Spelling::traverse(visitproc visit, void* arg) const {
  for (PyObject* const argument : args_) Py_VISIT(argument);
  return 0;
}

}  // namespace dcache::python
