// SPDX-License-Identifier: MIT
#include "backends/redis/held_leases.hpp"

#include <charconv>
#include <mutex>
#include <random>

namespace dcache::redis {
namespace {

constexpr std::chrono::hours longest{24};
constexpr std::size_t digits = 16;

}  // namespace

std::string token_text(std::uint64_t token) {
  std::string text(digits, '0');
  for (std::size_t at = digits; at-- > 0; token >>= 4U) text[at] = "0123456789abcdef"[token & 15U];
  return text;
}

std::uint64_t token_of(std::string_view text) noexcept {
  std::uint64_t token = 0;
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  const auto [stop, error] = std::from_chars(begin, end, token, 16);
  return error == std::errc() && stop == end && text.size() == digits ? token : 0;
}

std::uint64_t new_token() {
  std::random_device chance;
  std::uint64_t token = 0;
  while (token == 0) token = std::uint64_t{chance()} << 32U | chance();
  return token;
}

std::string HeldLeases::holder() {
  const std::lock_guard lock(lock_);
  return state_.get().holder;
}

std::string HeldLeases::lease_text(std::uint64_t token) {
  return holder() + ':' + token_text(token);
}

void HeldLeases::add(std::string_view key, std::uint64_t token, SteadyMoment now) {
  const std::lock_guard lock(lock_);
  Held& held = state_.get().held[{std::string(key), token}];
  ++held.times;
  held.renew_at = now + lasts_ / 3;
  held.give_up_at = now + longest;
}

bool HeldLeases::drop(std::string_view key, std::uint64_t token) {
  const std::lock_guard lock(lock_);
  auto& all = state_.get().held;
  const auto found = all.find({std::string(key), token});
  if (found == all.end()) return true;
  if (--found->second.times > 0) return false;
  all.erase(found);
  return true;
}

void HeldLeases::forget(std::string_view key, std::uint64_t token) {
  const std::lock_guard lock(lock_);
  state_.get().held.erase({std::string(key), token});
}

std::vector<HeldLeases::Due> HeldLeases::due(SteadyMoment now) {
  std::vector<Due> due;
  const std::lock_guard lock(lock_);
  auto& all = state_.get().held;
  for (auto each = all.begin(); each != all.end();) {
    auto& [key, held] = *each;
    if (held.give_up_at <= now) {
      each = all.erase(each);
      continue;
    }
    if (held.renew_at <= now) {
      due.push_back({key.first, key.second});
      held.renew_at = now + lasts_ / 3;
    }
    ++each;
  }
  return due;
}

bool HeldLeases::empty() {
  const std::lock_guard lock(lock_);
  return state_.get().held.empty();
}

void HeldLeases::clear() {
  const std::lock_guard lock(lock_);
  state_.get().held.clear();
}

}  // namespace dcache::redis
