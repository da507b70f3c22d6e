// SPDX-License-Identifier: MIT
#include "backends/s3/process.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <optional>

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
    // A group of its own: to kill what it starts, too. Our threads block signals, and our process
    // may ignore some; a program expects neither.
    sigset_t none{}, all{};
    ::sigemptyset(&none);
    ::sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
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
  // How it ended; nothing: it has not yet.
  std::optional<int> status() noexcept {
    int status = 0;
    const pid_t ended = ::waitpid(id_, &status, WNOHANG);
    if (ended == 0 || (ended < 0 && errno == EINTR)) return std::nullopt;
    id_ = -1;
    return ended < 0 ? 0 : status;  // Somebody else has awaited it: what it wrote has to do.
  }

 private:
  pid_t id_ = -1;
  int output_ = -1;
};

}  // namespace

std::string output_of(const std::string& command, std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  const auto left = [&] {
    using std::chrono::milliseconds;
    const auto span =
        std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (span <= 0) refuse("it took longer than " + std::to_string(patience.count()) + " ms");
    return static_cast<int>(span);
  };
  Child child(command);
  std::string output;
  for (;;) {
    pollfd polled{child.output(), POLLIN, 0};
    if (::poll(&polled, 1, left()) <= 0) continue;  // Its time is over, or a signal came.
    std::array<char, 4096> buffer{};
    const ssize_t size = ::read(child.output(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    output.append(buffer.data(), static_cast<std::size_t>(size));
    if (output.size() > output_max) refuse("it writes more than 64 KiB");
  }
  // It has closed its output, which is not to say that it ends.
  std::optional<int> status;
  while (!(status = child.status())) ::poll(nullptr, 0, std::min(left(), 5));
  if (!WIFEXITED(*status) || WEXITSTATUS(*status) != 0) refuse("it failed");
  return output;
}

}  // namespace dcache::s3
