// SPDX-License-Identifier: MIT
#include "backends/s3/keyring.hpp"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <utility>

#include "dcache/engine/executor.hpp"
#include "dcache/error.hpp"

namespace dcache::s3 {

void Keyring::ask(Told told) {
  Answer answer;
  bool searches = false;
  {
    const std::lock_guard lock(lock_);
    State& state = state_.get();
    const engine::WallTime now = engine::wall_now();
    const bool usable = state.current && now < state.current->expires;
    const bool is_due = !usable || (state.current->expires != engine::no_end &&
                                    now >= state.current->expires - engine::microseconds(ahead));
    const bool rests = std::chrono::steady_clock::now() < state.rests_until;
    const bool failed = !state.failure.trouble.empty();
    if (usable) {
      answer.credentials = state.current;
    } else if (rests && failed) {
      answer = state.failure;
    } else {
      state.waiting.push_back(std::move(told));
      told = nullptr;
    }
    if (is_due && !(rests && (usable || failed))) searches = !std::exchange(state.searches, true);
  }
  if (searches && !engine::background().submit([self = shared_from_this()] { self->search(); })) {
    finish({nullptr, "dcache: no thread to look for credentials", false});
  }
  if (told) told(answer);
}

void Keyring::discard(const std::shared_ptr<const Credentials>& old) {
  const std::lock_guard lock(lock_);
  State& state = state_.get();
  if (state.current == old) state.current = nullptr;
}

void Keyring::search() {
  Answer answer;
  try {
    answer.credentials = std::make_shared<const Credentials>(find_());
  } catch (const ConfigError& error) {
    answer = {nullptr, error.what(), true};
  } catch (const std::exception& error) {
    answer = {nullptr, error.what(), false};
  }
  finish(answer);
}

void Keyring::finish(const Answer& answer) {
  std::vector<Told> waiting;
  {
    const std::lock_guard lock(lock_);
    State& state = state_.get();
    state.searches = false;
    waiting.swap(state.waiting);
    state.failure = answer.credentials ? Answer() : answer;
    if (answer.credentials) state.current = answer.credentials;
    const engine::WallTime left = state.current ? state.current->expires - engine::wall_now() : 0;
    const auto rest = std::clamp<std::chrono::microseconds>(std::chrono::microseconds(left / 10),
                                                            pause, pause_max);
    state.rests_until = std::chrono::steady_clock::now() + rest;
  }
  for (const Told& told : waiting) told(answer);
}

}  // namespace dcache::s3
