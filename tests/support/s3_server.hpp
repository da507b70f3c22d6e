// SPDX-License-Identifier: MIT
/// The S3 server that the run of the tests has started (`tests/support/radosgw.py`), as this test
/// may use it.
#pragma once

#include <cstdlib>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>

#include "dcache/backends/s3.hpp"

namespace dcache::test {

/// What `radosgw.py` has written. Throws std::runtime_error if none is running: ctest starts it,
/// and says where its file is.
inline std::map<std::string, std::string> s3_server() {
  const char* const name = std::getenv("DCACHE_TEST_S3");
  std::ifstream file(name == nullptr ? "" : name);
  std::map<std::string, std::string> said;
  for (std::string line; std::getline(file, line);) {
    const std::size_t equals = line.find('=');
    if (equals != std::string::npos) said[line.substr(0, equals)] = line.substr(equals + 1);
  }
  if (said.empty()) {
    throw std::runtime_error(
        "no S3 server: run this by ctest, or DCACHE_TEST_S3=FILE after `radosgw.py start FILE`");
  }
  return said;
}

/// Patient: what is tested is not how busy this machine is.
inline S3Options s3_options() {
  auto said = s3_server();
  return {.bucket = said["bucket"],
          .prefix = "suite",
          .endpoint = said["endpoint"],
          .access_key = said["access_key"],
          .secret_key = said["secret_key"],
          .timeout = std::chrono::seconds(20),
          .connect_timeout = std::chrono::seconds(5)};
}

}  // namespace dcache::test
