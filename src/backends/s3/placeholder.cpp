// SPDX-License-Identifier: MIT
#include "backends/s3/placeholder.hpp"

#include <array>
#include <cinttypes>
#include <cstdio>
#include <mutex>
#include <random>
#include <utility>

namespace dcache::s3 {
namespace {

constexpr std::string_view beginning = "dcache computes: ";

std::uint64_t by_chance() {
  std::random_device device;
  return std::uint64_t{device()} << 32U | device();
}

}  // namespace

bool Placeholder::is_one(std::string_view body) noexcept { return body.starts_with(beginning); }

std::optional<Placeholder> Placeholder::read(std::string_view body) {
  if (!is_one(body)) return std::nullopt;
  Placeholder found;
  const std::string rest(body.substr(beginning.size(), 100));
  if (std::sscanf(rest.c_str(), "%" SCNx64 " %" SCNx64 " %" SCNd64, &found.holder, &found.chance,
                  &found.until) != 3) {
    return std::nullopt;
  }
  return found;
}

std::string Placeholder::text() const {
  std::array<char, 100> numbers{};
  std::snprintf(numbers.data(), numbers.size(), "%016" PRIx64 " %016" PRIx64 " %" PRId64 "\n",
                holder, chance, until);
  return std::string(beginning) + numbers.data();
}

Tokens::State::State() : holder(by_chance()), next(by_chance() >> 1U) {}

std::uint64_t Tokens::holder() {
  const std::lock_guard lock(lock_);
  return state_.get().holder;
}

std::string Tokens::new_placeholder(std::int64_t until) {
  const std::lock_guard lock(lock_);
  State& state = state_.get();
  return Placeholder{state.holder, ++state.next, until}.text();
}

std::uint64_t Tokens::add(Of of) {
  const std::lock_guard lock(lock_);
  State& state = state_.get();
  const std::uint64_t token = ++state.next;
  state.alive.emplace(token, std::move(of));
  state.order.push_back(token);
  if (state.order.size() > most) {
    state.alive.erase(state.order.front());
    state.order.pop_front();
  }
  return token;
}

std::optional<Tokens::Of> Tokens::find(std::uint64_t token) {
  const std::lock_guard lock(lock_);
  const State& state = state_.get();
  const auto found = state.alive.find(token);
  return found == state.alive.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace dcache::s3
