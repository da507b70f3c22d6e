// SPDX-License-Identifier: MIT
#include "dcache/engine/stack.hpp"

#include <cstddef>
#include <cstdlib>
#include <memory>

#include <gtest/gtest.h>
#include <pthread.h>

namespace dcache::engine {
namespace {

// What is on the stack when there is no more room; zero: there always was.
std::size_t descend(std::size_t used, std::size_t at_most) {
  constexpr std::size_t step = 4096;
  void* const taken = __builtin_alloca(step);  // Where no sanitizer puts it elsewhere.
  asm volatile("" : : "r"(taken) : "memory");
  if (!stack_has_room()) return used;
  if (used > at_most) return 0;
  const std::size_t deepest = descend(used + step, at_most);
  asm volatile("" : : "r"(taken) : "memory");  // No loop is made of it.
  return deepest;
}

std::size_t descend_on(std::size_t size) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  // Its own memory: of those that were used before, the system may give a larger one.
  const std::unique_ptr<void, void (*)(void*)> stack(std::aligned_alloc(4096, size), std::free);
  pthread_attr_setstack(&attributes, stack.get(), size);
  const auto run = [](void* used) -> void* {
    auto& bytes = *static_cast<std::size_t*>(used);
    bytes = descend(0, bytes);
    return nullptr;
  };
  std::size_t used = size;
  pthread_t thread = {};
  EXPECT_EQ(pthread_create(&thread, &attributes, run, &used), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
  return used;
}

TEST(Stack, HasRoomUntilThereIsLittleLeft) {
  for (const std::size_t size : {std::size_t{1} << 20U, std::size_t{4} << 20U}) {
    const std::size_t used = descend_on(size);
    EXPECT_GT(used, size / 2);
    EXPECT_LT(used, size - (200U << 10U));
  }
}

TEST(Stack, KeepsAQuarterOfASmallOne) {
  const std::size_t size = 256U << 10U;
  const std::size_t used = descend_on(size);
  EXPECT_GT(used, size / 3);
  EXPECT_LT(used, size - size / 5);
}

TEST(Stack, HasRoomAgainOnceCallsHaveReturned) {
  EXPECT_TRUE(stack_has_room());
  descend_on(1U << 20U);
  EXPECT_TRUE(stack_has_room());
}

}  // namespace
}  // namespace dcache::engine
