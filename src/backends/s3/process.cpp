// SPDX-License-Identifier: MIT
#include "backends/s3/process.hpp"

#include <array>
#include <csignal>
#include <cstdlib>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dcache/error.hpp"

extern char** environ;  // NOLINT(readability-redundant-declaration): not every <unistd.h> has it.

namespace dcache::s3 {
namespace {

constexpr std::size_t output_max = std::size_t{64} << 10U;

[[noreturn]] void refuse(const std::string& why) {
  throw TierError("dcache: credentials from credential_process: " + why);
}

class Child {
 public:
  explicit Child(const std::string& command) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) refuse("no pipe could be had");
    output_ = ends[0];
    posix_spawn_file_actions_t actions{};
    posix_spawnattr_t attributes{};
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);  // To kill what it starts, too.
    std::string shell = "sh", option = "-c", script = command;
    std::array<char*, 4> words{shell.data(), option.data(), script.data(), nullptr};
    const int error = ::posix_spawn(&id_, "/bin/sh", &actions, &attributes, words.data(), environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    if (error != 0) {
      ::close(output_);
      refuse("it cannot be run");
    }
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    ::close(output_);
    if (id_ < 0) return;
    ::kill(-id_, SIGKILL);
    ::waitpid(id_, nullptr, 0);
  }

  int output() const noexcept { return output_; }
  int wait() noexcept {
    int status = -1;
    ::waitpid(id_, &status, 0);
    id_ = -1;
    return status;
  }

 private:
  pid_t id_ = -1;
  int output_ = -1;
};

}  // namespace

std::string output_of(const std::string& command, std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  Child child(command);
  std::string output;
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd polled{child.output(), POLLIN, 0};
    if (left.count() <= 0 || ::poll(&polled, 1, static_cast<int>(left.count())) <= 0) {
      refuse("it took longer than " + std::to_string(patience.count()) + " ms");
    }
    std::array<char, 4096> buffer{};
    const ssize_t size = ::read(child.output(), buffer.data(), buffer.size());
    if (size <= 0) break;
    output.append(buffer.data(), static_cast<std::size_t>(size));
    if (output.size() > output_max) refuse("it writes more than 64 KiB");
  }
  // It has closed its output: it ends, or has handed it to nobody.
  const int status = child.wait();
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) refuse("it failed");
  return output;
}

}  // namespace dcache::s3
