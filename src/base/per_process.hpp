// SPDX-License-Identifier: MIT
/// State of a process that its forked children do not inherit: a thread of the parent may have been
/// in the middle of a change.
#pragma once

#include <cstdint>

#include "dcache/engine/fork.hpp"

namespace dcache::engine {

/// To be guarded by an `engine::Lock`, which can be taken in a child.
template <class T>
class PerProcess {
 public:
  PerProcess() = default;
  PerProcess(const PerProcess&) = delete;
  PerProcess& operator=(const PerProcess&) = delete;
  ~PerProcess() {
    if (generation_ == fork_generation()) delete state_;
  }

  /// That of this process, made when it is first asked for. A parent's is neither read nor
  /// destroyed.
  T& get() {
    if (generation_ != fork_generation()) {
      state_ = new T;
      generation_ = fork_generation();
    }
    return *state_;
  }
  /// Null: it was not asked for in this process.
  T* existing() noexcept { return generation_ == fork_generation() ? state_ : nullptr; }

 private:
  std::uint32_t generation_ = 0;  // No generation yet.
  T* state_ = nullptr;
};

}  // namespace dcache::engine
