// SPDX-License-Identifier: MIT
/// A recorded sequence of requests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace dcache::bench {

using Id = std::uint32_t;

struct Trace {
  std::string name;
  std::vector<Id> requests;  // 0 to unique - 1, in the order of first appearance.
  Id unique = 0;
};

/// Reads a file with one number a line, or with lines `time,id,size`; gzip or plain. Lines that
/// do not begin with a digit are skipped. Throws std::runtime_error if there is nothing to read.
Trace read_trace(const std::string& path);

}  // namespace dcache::bench
