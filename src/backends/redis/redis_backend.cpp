// SPDX-License-Identifier: MIT
#include <utility>

#include "dcache/backends/redis.hpp"
#include "dcache/engine/executor.hpp"

#include "backends/redis/server.hpp"

namespace dcache {

class RedisBackend::Store final : public redis::Server {
 public:
  using Server::Server;
};

RedisBackend::RedisBackend(RedisOptions options)
    : store_(std::make_shared<Store>(std::move(options))) {}

// A completion may drop the last reference to us, on a thread that still has to leave our
// connection: another one takes it apart then.
RedisBackend::~RedisBackend() {
  if (!redis::Server::is_telling()) return;
  auto* const store = new std::shared_ptr<Store>(std::move(store_));  // Lost, should there be none.
  engine::background().submit([store] { delete store; });
}

std::string RedisBackend::name() const { return store_->name(); }

engine::Capabilities RedisBackend::capabilities() const noexcept {
  return {.shared = true, .local = false, .adds = true, .leases = true, .wakes = true};
}

void RedisBackend::submit(const engine::Ref<engine::Op>& op) noexcept { store_->submit(op); }

void RedisBackend::check() { store_->check(); }

std::chrono::nanoseconds RedisBackend::budget() const noexcept { return store_->budget(); }

void RedisBackend::close() noexcept { store_->close(); }

}  // namespace dcache
