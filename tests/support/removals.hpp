// SPDX-License-Identifier: MIT
// A removal listener that writes down what it is told.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <ostream>
#include <vector>

#include "dcache/stats.hpp"

namespace dcache {

inline std::ostream& operator<<(std::ostream& out, Cause cause) {
  constexpr const char* names[] = {"replaced", "evicted", "expired", "erased"};
  return out << names[static_cast<std::size_t>(cause)];
}

namespace testing {

/// One entry that left.
template <class Key, class Value>
struct Removal {
  Key key;
  Value value;
  Cause cause;

  friend bool operator==(const Removal&, const Removal&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Removal& removal) {
    return out << removal.key << " -> " << removal.value << " " << removal.cause;
  }
};

/// Thread-safe. Copies of one share what they know.
template <class Key, class Value>
class Removals {
 public:
  std::function<void(const Key&, const Value&, Cause)> listener() const {
    return [state = state_](const Key& key, const Value& value, Cause cause) {
      const std::scoped_lock held(state->mutex);
      state->list.push_back({key, value, cause});
    };
  }

  std::vector<Removal<Key, Value>> all() const {
    const std::scoped_lock held(state_->mutex);
    return state_->list;
  }

  std::size_t count(Cause cause) const {
    std::size_t count = 0;
    for (const auto& removal : all()) count += removal.cause == cause ? 1 : 0;
    return count;
  }

 private:
  struct State {
    std::mutex mutex;
    std::vector<Removal<Key, Value>> list;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace testing
}  // namespace dcache
