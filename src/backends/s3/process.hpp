// SPDX-License-Identifier: MIT
/// A program that is asked for credentials (`credential_process`).
#pragma once

#include <chrono>
#include <string>

namespace dcache::s3 {

/// What a shell's command writes to its standard output; its standard error is ours. Throws
/// TierError if it cannot be run, fails, writes more than 64 KiB, or is not done in time: it is
/// killed then. The message does not have what it wrote.
std::string output_of(const std::string& command, std::chrono::milliseconds patience);

}  // namespace dcache::s3
