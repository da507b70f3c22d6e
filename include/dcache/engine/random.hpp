// SPDX-License-Identifier: MIT
/// Random numbers for jitter: cheap, one sequence a thread, another one after a fork. Not for
/// secrets.
#pragma once

namespace dcache::engine {

/// Uniform in [0, 1). Thread-safe.
double random_fraction() noexcept;

}  // namespace dcache::engine
