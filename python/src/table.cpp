// SPDX-License-Identifier: MIT
#include "table.hpp"

namespace dcache::python {

Object Table::key_of(const Question& question) {
  Hit hit;
  find_surely(question, hit, false);
  return hit ? Object::shared(hit.key().object) : Object();
}

// No Python runs between the last look and the store: nothing else can come in between.
void Table::store(const Question& question, PyObject* result, const engine::Terms& terms,
                  const std::atomic<bool>* detached) {
  Object key = question.arguments().keep();
  if (Object old = key_of(question)) key = std::move(old);
  Object kept = Object::shared(result);
  const auto stored =
      near_.store(Key{key.get(), question.hash()}, kept.get(), question.hash(), terms, detached);
  if (stored == engine::Stored::inserted || stored == engine::Stored::replaced) {
    key.release();  // The table owns them now.
    kept.release();
  }
}

// More than one entry may answer to the question, where an `==` changed its mind. A finaliser may
// put the entry back each time: that is not what was there before.
bool Table::erase(const Question& question) {
  bool erased = false;
  for (std::size_t left = size(); left > 0; --left) {
    const Object key = key_of(question);
    if (!key || !near_.erase(Key{key.get(), question.hash()}, question.hash())) break;
    erased = true;
  }
  return erased;
}

}  // namespace dcache::python
