// SPDX-License-Identifier: MIT
#include <utility>

#include "dcache/backends/redis.hpp"

#include "backends/redis/server.hpp"

namespace dcache {

class RedisBackend::Store final : public redis::Server {
 public:
  using Server::Server;
};

RedisBackend::RedisBackend(RedisOptions options)
    : store_(std::make_shared<Store>(std::move(options))) {}

RedisBackend::~RedisBackend() { redis::Server::let_go(std::move(store_)); }

std::string RedisBackend::name() const { return store_->name(); }

engine::Capabilities RedisBackend::capabilities() const noexcept {
  return {.shared = true, .local = false, .adds = true, .leases = true, .wakes = true};
}

void RedisBackend::submit(const engine::Ref<engine::Op>& op) noexcept { store_->submit(op); }

void RedisBackend::check() { store_->check(); }

std::chrono::nanoseconds RedisBackend::budget() const noexcept { return store_->budget(); }

void RedisBackend::close() noexcept { store_->close(); }

}  // namespace dcache
