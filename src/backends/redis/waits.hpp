// SPDX-License-Identifier: MIT
/// Who waits until another process has computed: woken by what the server tells of changes (client
/// tracking, which remembers who has read a name), on the connection that he asked on.
///
///   CLIENT CACHING YES, MGET record lease     and from then on the first change of one of them is
///   told.
#pragma once

#include <atomic>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "dcache/engine/lock.hpp"
#include "dcache/engine/operation.hpp"

#include "backends/redis/session.hpp"
#include "base/per_process.hpp"
#include "net/node.hpp"

namespace dcache::redis {

class Wait;

/// Those who wait, by the names that they wait for. Thread-safe.
class Waits {
 public:
  Waits();
  ~Waits();
  Waits(const Waits&) = delete;
  Waits& operator=(const Waits&) = delete;

  /// Asks, and completes the operation when there is something new, which may be at once.
  void begin(const engine::Ref<engine::Op>& op, net::Node& node);
  /// A name has changed; empty: maybe all of them.
  void changed(std::string_view name) noexcept;

 private:
  friend class Wait;

  using Table = std::unordered_map<std::string, std::vector<engine::Ref<Wait>>>;

  void add(const engine::Ref<Wait>& wait);
  void remove(const Wait& wait) noexcept;

  engine::Lock lock_;
  engine::PerProcess<Table> waiting_;  // Guarded by lock_.
};

}  // namespace dcache::redis
