// SPDX-License-Identifier: MIT
/// How long to leave a server alone after an attempt to connect has failed.
#pragma once

#include <algorithm>
#include <chrono>

namespace dcache::net {

using std::chrono::nanoseconds;

class Backoff {
 public:
  Backoff(nanoseconds first, nanoseconds longest) noexcept
      : first_(std::min(first, longest)), longest_(longest), next_(first_) {}

  /// After one more failure: twice as long as before, less up to half of it by `fraction` in
  /// [0, 1). A fleet that lost its server together does not come back together.
  nanoseconds failed(double fraction) noexcept {
    const nanoseconds whole = next_;
    next_ = whole > longest_ / 2 ? longest_ : 2 * whole;
    return std::chrono::duration_cast<nanoseconds>(whole * (1 - fraction / 2));
  }
  void worked() noexcept { next_ = first_; }

 private:
  const nanoseconds first_;
  const nanoseconds longest_;
  nanoseconds next_;
};

}  // namespace dcache::net
