// SPDX-License-Identifier: MIT
#include "dcache/engine/stack.hpp"

#include <algorithm>
#include <cstddef>

#include <pthread.h>

namespace dcache::engine::stack_detail {

thread_local constinit std::uintptr_t end = 0;
thread_local constinit std::uintptr_t reserve = UINTPTR_MAX;

namespace {

void ask() noexcept {
  constexpr std::size_t reserve_max = 256U << 10U;
  end = reserve = 0;  // Where nobody knows, there is room.
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return;
  void* lowest = nullptr;
  std::size_t size = 0, guard = 0;
  if (pthread_attr_getstack(&attributes, &lowest, &size) == 0 &&
      pthread_attr_getguardsize(&attributes, &guard) == 0) {
    end = reinterpret_cast<std::uintptr_t>(lowest);
    reserve = guard + std::min(size / 4, reserve_max);
  }
  pthread_attr_destroy(&attributes);
}

}  // namespace

bool has_room_slowly(std::uintptr_t here) noexcept {
  ask();
  return here - end >= reserve;  // Of an address below the end it is a large number.
}

}  // namespace dcache::engine::stack_detail
