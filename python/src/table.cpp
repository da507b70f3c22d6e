// SPDX-License-Identifier: MIT
#include "table.hpp"

#include <vector>

namespace dcache::python {
namespace {

std::uint64_t bytes_of(PyObject* object) {
  static PyObject* const getsizeof = PySys_GetObject("getsizeof");
  const Object size = Object::checked(PyObject_CallOneArg(getsizeof, object));
  const Py_ssize_t bytes = PyLong_AsSsize_t(size.get());
  if (bytes == -1 && PyErr_Occurred() != nullptr) throw Raised();
  return static_cast<std::uint64_t>(bytes);
}

bool belongs_to(const Key& key, PyObject* prefix) noexcept {
  return is_key_tuple(key.object) && as_key_tuple(key.object).size() > 0 &&
         as_key_tuple(key.object).items[0] == prefix;
}

}  // namespace

Table::Table(const TableOptions& options)
    : weigher_(options.weigher), weighs_(options.weight_max), near_(near_options(options)) {}

Table::Near::Options Table::near_options(const TableOptions& options) {
  Near::Options near;
  near.max_entries = options.entries_max;
  near.max_weight = options.weight_max;
  if (options.weight_max) {
    near.weigher = [this](const Key&, PyObject* const&) { return weight_; };
  }
  near.policy = options.policy;
  near.guarded = true;
  near.clock = options.clock ? clock_of(options.clock.get()) : nullptr;
  near.on_removal = [this](const Key& key, PyObject* const& result, Cause) {
    recent_.forget(key.object);
    Py_DECREF(key.object);
    Py_DECREF(result);
  };
  return near;
}

Object Table::key_of(const Question& question) {
  Hit hit;
  find_surely(question, hit, false);
  return hit ? Object::shared(hit.key().object) : Object();
}

std::uint64_t Table::weigh(PyObject* key, PyObject* result) const {
  if (!weigher_) {
    std::uint64_t bytes = bytes_of(key) + bytes_of(result);
    if (!is_key_tuple(key)) return bytes;
    KeyTuple& tuple = as_key_tuple(key);
    for (Py_ssize_t i = 0; i < tuple.size(); ++i) {
      if (tuple.items[i] != nullptr) bytes += bytes_of(tuple.items[i]);
    }
    return bytes;
  }
  const Object weight = Object::checked(PyObject_CallOneArg(weigher_.get(), result));
  const unsigned long long number = PyLong_AsUnsignedLongLong(weight.get());
  if (PyErr_Occurred() != nullptr) throw Raised();
  return number;
}

// No Python runs between the last look and the store: nothing else can come in between.
void Table::store_instead(const Question& question, Object& key, PyObject* result,
                          const engine::Terms& terms, const std::atomic<bool>* detached) {
  const std::uint64_t weight = weighs_ ? weigh(key.get(), result) : 0;
  if (Object old = key_of(question)) key = std::move(old);
  weight_ = weight;
  put(key, question.hash(), result, terms, detached, false);
}

// More than one entry may answer to the question, where an `==` changed its mind. A finaliser may
// put the entry back each time: that is not what was there before.
bool Table::erase(const Question& question) {
  bool erased = false;
  for (std::size_t left = size(); left > 0; --left) {
    const Object key = key_of(question);
    if (!key || !erase(Key{key.get(), question.hash()})) break;
    erased = true;
  }
  return erased;
}

void Table::erase_all_of(PyObject* prefix) {
  std::vector<Key> keys;
  keys.reserve(size());
  near_.for_each([&](const Key& key, PyObject*) {
    if (!belongs_to(key, prefix) || keys.size() == keys.capacity()) return;
    Py_INCREF(key.object);
    keys.push_back(key);
  });
  for (const Key& key : keys) {
    const Object held = Object::owned(key.object);
    erase(key);
  }
}

std::size_t Table::size_of(PyObject* prefix) {
  std::size_t count = 0;
  near_.for_each([&](const Key& key, PyObject*) { count += belongs_to(key, prefix) ? 1U : 0U; });
  return count;
}

int Table::traverse(visitproc visit, void* arg) {
  int stopped = 0;
  const auto look = [&](PyObject* object) {
    if (stopped == 0 && object != nullptr) stopped = visit(object, arg);
  };
  near_.for_each([&](const Key& key, PyObject* result) {
    look(result);
    if (!is_key_tuple(key.object)) return look(key.object);
    KeyTuple& tuple = as_key_tuple(key.object);
    for (Py_ssize_t i = 0; i < tuple.size(); ++i) look(tuple.items[i]);
  });
  return stopped;
}

}  // namespace dcache::python
