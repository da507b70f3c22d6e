// SPDX-License-Identifier: MIT
#include "tiers/breaker.hpp"

#include <algorithm>
#include <mutex>

#include "dcache/engine/random.hpp"

namespace dcache::engine {
namespace {
constexpr std::chrono::milliseconds first{1000}, longest{30'000};
}  // namespace

bool Breaker::allows_probe(SteadyMoment now) noexcept {
  const std::lock_guard lock(lock_);
  if (!open_.load(std::memory_order_relaxed)) return true;
  if (now < open_until_ || now < probe_until_) return false;
  probe_until_ = now + longest;
  return true;
}

void Breaker::not_asked() noexcept {
  if (!open_.load(std::memory_order_relaxed)) return;
  const std::lock_guard lock(lock_);
  probe_until_ = {};
}

void Breaker::begin_window(SteadyMoment now) noexcept {
  if (now - window_began_ < window) return;
  window_began_ = now;
  asked_ = failed_ = 0;
}

void Breaker::succeeded(SteadyMoment now) noexcept {
  if (!failing_.load(std::memory_order_relaxed)) return;
  const std::lock_guard lock(lock_);
  begin_window(now);
  ++asked_;
  in_a_row_ = 0;
  if (open_.load(std::memory_order_relaxed) && now < open_until_) return;  // Asked before that.
  if (open_.load(std::memory_order_relaxed)) {
    open_.store(false, std::memory_order_relaxed);
    asked_ = failed_ = 0;
    open_for_ = {};
  }
  if (failed_ == 0) failing_.store(false, std::memory_order_relaxed);
}

void Breaker::failed(SteadyMoment now) noexcept {
  const std::lock_guard lock(lock_);
  failing_.store(true, std::memory_order_relaxed);
  begin_window(now);
  ++asked_;
  ++failed_;
  ++in_a_row_;
  const bool probe_failed = open_.load(std::memory_order_relaxed) && now >= open_until_;
  const bool often = asked_ >= window_min && failed_ * 2 > asked_;
  const bool closed = !open_.load(std::memory_order_relaxed);
  if (probe_failed || (closed && (in_a_row_ >= in_a_row_max || often))) open(now);
}

void Breaker::open(SteadyMoment now) noexcept {
  open_for_ = open_for_.count() == 0 ? first : std::min(open_for_ * 2, longest);
  const double part = 0.75 + random_fraction() / 2;
  const auto span =
      std::chrono::duration<double, std::milli>(static_cast<double>(open_for_.count()) * part);
  open_until_ = now + std::chrono::duration_cast<SteadyMoment::duration>(span);
  probe_until_ = {};
  open_.store(true, std::memory_order_relaxed);
}

const char* Breaker::state() const noexcept {
  const std::lock_guard lock(lock_);
  if (!open_.load(std::memory_order_relaxed)) return "closed";
  return std::chrono::steady_clock::now() < open_until_ ? "open" : "half-open";
}

}  // namespace dcache::engine
