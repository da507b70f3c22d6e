// SPDX-License-Identifier: MIT
/// The S3 servers that the run of the tests has started, as this test may use them: `ceph`
/// (`tests/support/radosgw.py`), and `swift` (`swift_server.py`), without conditional writes.
#pragma once

#include <cstdlib>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>

#include "dcache/backends/s3.hpp"

namespace dcache::test {

/// What its program has written. Throws std::runtime_error if it is not running: ctest starts it,
/// and says in which folder its file is.
inline std::map<std::string, std::string> s3_server(const std::string& name) {
  const char* const folder = std::getenv("DCACHE_TEST_SERVERS");
  std::ifstream file((folder == nullptr ? "." : folder) + ('/' + name + ".txt"));
  std::map<std::string, std::string> said;
  for (std::string line; std::getline(file, line);) {
    const std::size_t equals = line.find('=');
    if (equals != std::string::npos) said[line.substr(0, equals)] = line.substr(equals + 1);
  }
  if (said.empty()) {
    throw std::runtime_error("no " + name +
                             ": run this by ctest, or with DCACHE_TEST_SERVERS=FOLDER after "
                             "`radosgw.py start FOLDER/ceph.txt` or `swift_server.py start "
                             "FOLDER/swift.txt`");
  }
  return said;
}

/// Patient: what is tested is not how busy this machine is.
inline S3Options s3_options(const std::string& server = "ceph") {
  auto said = s3_server(server);
  return {.bucket = said["bucket"],
          .prefix = "suite",
          .endpoint = said["endpoint"],
          .access_key = said["access_key"],
          .secret_key = said["secret_key"],
          .timeout = std::chrono::seconds(20),
          .connect_timeout = std::chrono::seconds(5)};
}

}  // namespace dcache::test
