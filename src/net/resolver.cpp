// SPDX-License-Identifier: MIT
#include "net/resolver.hpp"

#include <cstring>
#include <memory>

#include <netdb.h>

#include "dcache/engine/executor.hpp"

namespace dcache::net {

void Resolution::run(const Endpoint& endpoint) noexcept {
  try {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    const std::string port = std::to_string(endpoint.port);
    const int error = ::getaddrinfo(endpoint.host.c_str(), port.c_str(), &hints, &found);
    if (error != 0) why_ = "the name is not known: " + std::string(::gai_strerror(error));
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, [](addrinfo* list) {
      if (list != nullptr) ::freeaddrinfo(list);
    });
    for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
      Address address;
      std::memcpy(&address.bytes, each->ai_addr, each->ai_addrlen);
      address.size = each->ai_addrlen;
      addresses_.push_back(address);
    }
  } catch (const std::exception& error) {
    why_ = error.what();
  }
  ready_.store(true, std::memory_order_release);
  signal_.raise();
}

namespace {

constinit std::atomic<engine::Executor*> look_ups{nullptr};

// Never destroyed, and no static local, as `engine::background`.
engine::Executor& executor() {
  if (engine::Executor* const there = look_ups.load(std::memory_order_acquire)) return *there;
  auto fresh = std::make_unique<engine::Executor>(
      engine::ExecutorOptions{.threads_max = 2, .queue_max = 64, .name = "dcache-dns"});
  engine::Executor* first = nullptr;
  if (!look_ups.compare_exchange_strong(first, fresh.get(), std::memory_order_acq_rel)) {
    return *first;
  }
  return *fresh.release();
}

}  // namespace

std::shared_ptr<Resolution> resolve(const Endpoint& endpoint) {
  auto resolution = std::make_shared<Resolution>();
  const bool taken = executor().submit([resolution, endpoint] { resolution->run(endpoint); });
  return taken ? resolution : nullptr;
}

}  // namespace dcache::net
