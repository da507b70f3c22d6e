// SPDX-License-Identifier: MIT
/// One thread of this process renews the leases of all its Redis backends, for as long as there are
/// any.
#pragma once

#include <memory>

namespace dcache::redis {

class Server;

/// A lease of this server's has begun. Cheap if that is known. Thread-safe.
void renew_leases_of(const std::shared_ptr<Server>& server) noexcept;

}  // namespace dcache::redis
