// SPDX-License-Identifier: MIT
#include "dcache/engine/mode.hpp"

#include <array>
#include <cstdlib>
#include <mutex>
#include <string>
#include <string_view>

#include "dcache/engine/lock.hpp"
#include "dcache/error.hpp"

namespace dcache {
namespace engine {

std::atomic<bool> mode_may_differ{true};

namespace {

constexpr std::array<std::string_view, 5> words = {"normal", "refresh", "bypass", "read-only",
                                                   "offline"};
constexpr int unread = -1;

std::atomic<int> process_mode{unread};
thread_local unsigned blocks_here = 0;
Lock lock;
unsigned blocks = 0;  // Of all threads. Guarded by lock.

bool is_far_mode(Mode mode) noexcept { return mode == Mode::read_only || mode == Mode::offline; }

// REQUIRES: the lock is held.
void look() noexcept {
  const int mode = process_mode.load();
  const bool concerns_calls =
      mode == unread || (mode != 0 && !is_far_mode(static_cast<Mode>(mode)));
  mode_may_differ.store(concerns_calls || blocks > 0, std::memory_order_relaxed);
}

Mode mode_of(std::string_view word) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == word) return static_cast<Mode>(i);
  }
  std::string known;
  for (const std::string_view each : words) known.append(known.empty() ? "" : ", ").append(each);
  throw ConfigError("dcache: DCACHE_MODE is \"" + std::string(word) + "\"; expected one of " +
                    known);
}

Mode mode_of_process() {
  int mode = process_mode.load(std::memory_order_acquire);
  if (mode != unread) return static_cast<Mode>(mode);
  const char* const word = std::getenv("DCACHE_MODE");
  const Mode read = mode_of(word == nullptr || *word == '\0' ? "normal" : word);
  const std::lock_guard held(lock);
  if (process_mode.compare_exchange_strong(mode, static_cast<int>(read)))
    mode = static_cast<int>(read);
  look();
  return static_cast<Mode>(mode);
}

}  // namespace

Mode call_mode() {
  if (blocks_here > 0) return Mode::bypass;
  const Mode mode = mode_of_process();
  return is_far_mode(mode) ? Mode::normal : mode;
}

std::string_view mode_name() {
  const Mode mode = blocks_here > 0 ? Mode::bypass : mode_of_process();
  return words[static_cast<std::size_t>(mode)];
}

FarMode far_mode() {
  const Mode mode = mode_of_process();
  return {mode != Mode::offline, !is_far_mode(mode)};
}

void require_far_writes() {
  if (far_mode().writes) return;
  const auto word = words[static_cast<std::size_t>(mode_of_process())];
  throw ModeError("dcache: the mode is " + std::string(word) +
                  ": it was done in this process, and not in the far tiers; "
                  "dcache::configure({.mode = dcache::Mode::normal}) lets it reach them");
}

void set_mode(Mode mode) noexcept {
  const std::lock_guard held(lock);
  process_mode.store(static_cast<int>(mode), std::memory_order_release);
  look();
}

}  // namespace engine

Disabled::Disabled() noexcept {
  ++engine::blocks_here;
  const std::lock_guard held(engine::lock);
  ++engine::blocks;
  engine::look();
}

Disabled::~Disabled() {
  --engine::blocks_here;
  const std::lock_guard held(engine::lock);
  --engine::blocks;
  engine::look();
}

}  // namespace dcache
