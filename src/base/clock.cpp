// SPDX-License-Identifier: MIT
#include "dcache/clock.hpp"

#include <dlfcn.h>

namespace dcache::engine {
namespace {

// For machines without a coarse clock.
int read_steady(int /*id*/, std::timespec* time) {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
  time->tv_sec = static_cast<std::time_t>(seconds.count());
  time->tv_nsec = static_cast<long>(Duration(now - seconds).count());
  return 0;
}

#ifdef CLOCK_MONOTONIC_COARSE

int read_through_library(int id, std::timespec* time) { return clock_gettime(id, time); }

// What the C library itself calls (vdso(7)). Null: there is no such page (under valgrind), or the
// C library does not list it (musl).
void* kernel_function() noexcept {
  void* const page = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);
  if (page == nullptr) return nullptr;
  void* const found = dlsym(page, "__vdso_clock_gettime");                  // x86-64
  return found != nullptr ? found : dlsym(page, "__kernel_clock_gettime");  // aarch64
}

CoarseClock find_clock() noexcept {
  constexpr int id = CLOCK_MONOTONIC_COARSE;
  std::timespec time{};
  if (clock_gettime(id, &time) != 0) return {read_steady, 0};
  void* const function = kernel_function();
  if (function == nullptr) return {read_through_library, id};
  const CoarseClock found{reinterpret_cast<int (*)(int, std::timespec*)>(function), id};
  return found.read(id, &time) == 0 ? found : CoarseClock{read_through_library, id};
}

#else

CoarseClock find_clock() noexcept { return {read_steady, 0}; }

#endif

}  // namespace

// Constructors of statics that run before this one ask through the library.
#ifdef CLOCK_MONOTONIC_COARSE
constinit CoarseClock coarse_clock{read_through_library, CLOCK_MONOTONIC_COARSE};
#else
constinit CoarseClock coarse_clock{read_steady, 0};
#endif

namespace {
[[maybe_unused]] const bool clock_is_found = (coarse_clock = find_clock(), true);
}

}  // namespace dcache::engine
