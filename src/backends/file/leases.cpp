// SPDX-License-Identifier: MIT
#include "backends/file/leases.hpp"

#include <cerrno>
#include <chrono>
#include <thread>

#include "dcache/engine/digest.hpp"

namespace dcache::files {
namespace {

constexpr std::chrono::milliseconds patience{250};
// Of threads of this process, which do not stop in the middle: a busy machine takes its time.
constexpr std::chrono::seconds own_patience{5};

std::uint64_t hash_of(std::string_view name) { return engine::checksum({name}); }

// Behind the numbers, and below 2^63, which is where file offsets end.
std::uint64_t lease_byte(std::string_view name, std::uint64_t token) {
  const std::string_view number(reinterpret_cast<const char*>(&token), sizeof token);
  return (engine::checksum({name, number}) & ((std::uint64_t{1} << 62U) - 1)) | std::uint64_t{1}
                                                                                    << 40U;
}

}  // namespace

fs::Error Leases::in_group(
    std::uint64_t hash,
    const std::function<fs::Error(std::uint64_t at, std::uint64_t number)>& run) {
  const std::uint64_t at = hash % groups * sizeof(std::uint64_t);
  // By the wall clock: the thread sanitizer of gcc 12 does not know pthread_mutex_clocklock.
  const std::unique_lock own(threads_[hash % threads_.size()],
                             std::chrono::system_clock::now() + own_patience);
  if (!own.owns_lock()) return ETIMEDOUT;
  const auto give_up = std::chrono::steady_clock::now() + patience;
  fs::Error error = locks_.try_lock(at);
  while (error == EAGAIN && std::chrono::steady_clock::now() < give_up) {
    std::this_thread::sleep_for(std::chrono::microseconds(100));
    error = locks_.try_lock(at);
  }
  if (error != 0) return error == EAGAIN ? ETIMEDOUT : error;
  std::uint64_t number = 0;
  error = locks_.read(at, number);
  if (error == 0) error = run(at, number);
  locks_.unlock(at);
  return error;
}

fs::Error Leases::watch(std::string_view name, std::uint64_t& token) const {
  std::uint64_t number = 0;
  const fs::Error error = locks_.read(hash_of(name) % groups * sizeof number, number);
  token = number + 1;
  return error;
}

fs::Error Leases::lease(std::string_view name, std::uint64_t& token) {
  if (const fs::Error error = watch(name, token)) return error;
  const std::uint64_t byte = lease_byte(name, token);
  const std::lock_guard lock(mutex_);
  unsigned& holders = held_[byte];
  if (holders > 0) {
    ++holders;
    return 0;
  }
  const fs::Error error = locks_.try_lock(byte);
  if (error == 0) {
    holders = 1;
  } else {
    held_.erase(byte);
  }
  return error;
}

void Leases::release(std::string_view name, std::uint64_t token) {
  const std::uint64_t byte = lease_byte(name, token);
  const std::lock_guard lock(mutex_);
  const auto held = held_.find(byte);
  if (held == held_.end() || --held->second > 0) return;
  held_.erase(held);
  locks_.unlock(byte);
}

fs::Error Leases::if_alive(std::string_view name, std::uint64_t token, bool kills,
                           const std::function<fs::Error()>& change) {
  return in_group(hash_of(name), [&](std::uint64_t at, std::uint64_t number) -> fs::Error {
    if (number + 1 != token) return ESTALE;
    if (kills) {
      if (const fs::Error error = locks_.write(at, number + 1)) return error;
    }
    return change();
  });
}

fs::Error Leases::and_kill(std::string_view name, const std::function<fs::Error()>& change) {
  return in_group(hash_of(name), [&](std::uint64_t at, std::uint64_t number) -> fs::Error {
    if (const fs::Error error = locks_.write(at, number + 1)) return error;
    return change();
  });
}

fs::Error Leases::alone(std::string_view name, const std::function<fs::Error()>& change) {
  return in_group(hash_of(name), [&](std::uint64_t, std::uint64_t) { return change(); });
}

}  // namespace dcache::files
