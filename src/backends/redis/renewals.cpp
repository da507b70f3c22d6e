// SPDX-License-Identifier: MIT
#include "backends/redis/renewals.hpp"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

#include "dcache/engine/executor.hpp"
#include "dcache/engine/lock.hpp"

#include "backends/redis/server.hpp"
#include "base/per_process.hpp"

namespace dcache::redis {
namespace {

// No server waits longer than this to be looked at for the first time; the shortest lease is three
// times as long.
constexpr std::chrono::milliseconds tick{30};

struct Renewed {
  std::vector<std::weak_ptr<Server>> servers;
  bool runs = false;
};

struct Renewals {
  engine::Executor executor{{.threads_max = 1, .queue_max = 4, .name = "dcache-leases"}};
  engine::Lock lock;
  engine::PerProcess<Renewed> renewed;  // Guarded by lock.
};

Renewals& renewals() {
  static auto* const only = new Renewals;  // Its thread may run while the process ends.
  return *only;
}

bool is_same(const std::weak_ptr<Server>& one, const std::shared_ptr<Server>& other) noexcept {
  return !one.owner_before(other) && !other.owner_before(one);
}

std::vector<std::shared_ptr<Server>> servers() {
  std::vector<std::shared_ptr<Server>> all;
  const std::lock_guard lock(renewals().lock);
  for (const auto& each : renewals().renewed.get().servers) {
    if (std::shared_ptr<Server> server = each.lock()) all.push_back(std::move(server));
  }
  return all;
}

// Forgets those of `asked` that have no lease any more, and those that are gone. False: nobody is
// left, and the thread ends.
bool keep_leasing(const std::vector<std::shared_ptr<Server>>& asked) {
  const auto is_done = [&](const std::weak_ptr<Server>& each) {
    return each.expired() || std::any_of(asked.begin(), asked.end(), [&](const auto& one) {
             return is_same(each, one) && !one->has_leases();
           });
  };
  const std::lock_guard lock(renewals().lock);
  Renewed& renewed = renewals().renewed.get();
  const auto left = std::remove_if(renewed.servers.begin(), renewed.servers.end(), is_done);
  renewed.servers.erase(left, renewed.servers.end());
  renewed.runs = !renewed.servers.empty();
  return renewed.runs;
}

void run() {
  for (;;) {
    std::this_thread::sleep_for(tick);
    const auto all = servers();
    for (const auto& server : all) server->renew_leases(std::chrono::steady_clock::now());
    if (!keep_leasing(all)) return;
  }
}

}  // namespace

void renew_leases_of(const std::shared_ptr<Server>& server) noexcept {
  Renewals& all = renewals();
  try {
    {
      const std::lock_guard lock(all.lock);
      Renewed& renewed = all.renewed.get();
      const auto same = [&](const std::weak_ptr<Server>& each) { return is_same(each, server); };
      if (std::any_of(renewed.servers.begin(), renewed.servers.end(), same)) return;
      renewed.servers.push_back(server);
      if (renewed.runs) return;
      renewed.runs = true;
    }
    if (all.executor.submit(run)) return;
  } catch (const std::bad_alloc&) {
    // It is not renewed then, and ends in its time.
  }
  const std::lock_guard lock(all.lock);
  all.renewed.get().runs = false;
  all.renewed.get().servers.clear();
}

}  // namespace dcache::redis
