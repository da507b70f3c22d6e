// SPDX-License-Identifier: MIT
/// A store in which things go wrong on demand: `tests/support/fault_server.py`, as a process of a
/// test's own.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

#include <sys/types.h>

namespace dcache::test {

class FaultServer {
 public:
  /// Returns when it answers. Throws std::runtime_error if it does not.
  FaultServer();
  FaultServer(const FaultServer&) = delete;
  FaultServer& operator=(const FaultServer&) = delete;
  ~FaultServer();

  std::string endpoint() const { return "http://127.0.0.1:" + port_; }
  std::string port() const { return port_; }
  /// A command, as the file describes them; its answer.
  std::string tell(const std::string& command);
  /// SIGSTOP and SIGCONT.
  void freeze() const noexcept;
  void thaw() const noexcept;

 private:
  std::string line();

  pid_t pid_ = -1;
  std::FILE* commands_ = nullptr;
  std::FILE* answers_ = nullptr;
  std::string port_;
};

}  // namespace dcache::test
