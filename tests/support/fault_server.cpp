// SPDX-License-Identifier: MIT
#include "support/fault_server.hpp"

#include <array>
#include <csignal>
#include <stdexcept>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/child.hpp"

namespace dcache::test {

FaultServer::FaultServer() {
  std::array<int, 2> in{}, out{};
  if (::pipe2(in.data(), O_CLOEXEC) != 0 || ::pipe2(out.data(), O_CLOEXEC) != 0) {
    throw std::runtime_error("no pipes");
  }
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(in[0], 0);
    ::dup2(out[1], 1);
    if (::getppid() == parent) ::execlp("python3", "python3", DCACHE_FAULT_SERVER, nullptr);
    ::_exit(127);
  }
  ::close(in[0]);
  ::close(out[1]);
  commands_ = ::fdopen(in[1], "w");
  answers_ = ::fdopen(out[0], "r");
  port_ = line();
}

FaultServer::~FaultServer() {
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  std::fclose(commands_);
  std::fclose(answers_);
}

std::string FaultServer::tell(const std::string& command) {
  std::fputs((command + '\n').c_str(), commands_);
  std::fflush(commands_);
  return line();
}

void FaultServer::freeze() const noexcept { testing::stop_child(pid_); }
void FaultServer::thaw() const noexcept { ::kill(pid_, SIGCONT); }

std::string FaultServer::line() {
  std::string text;
  for (int letter = std::fgetc(answers_); letter != '\n'; letter = std::fgetc(answers_)) {
    if (letter == EOF) throw std::runtime_error("the fault server has ended");
    text += static_cast<char>(letter);
  }
  return text;
}

}  // namespace dcache::test
