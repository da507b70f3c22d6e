// SPDX-License-Identifier: MIT
// What a forked process says, and how it is held up.
#pragma once

#include <csignal>

#include <sys/wait.h>
#include <unistd.h>

namespace dcache::testing {

inline constexpr int child_hung = -2;

/// Runs `child` in a forked process that may take `seconds`. Its result, 0 to 127; `child_hung` if
/// it took longer; -1 if it died otherwise.
template <class Child>
int in_child(unsigned seconds, const Child& child) {
  const pid_t pid = fork();
  if (pid == 0) {
    alarm(seconds);
    _exit(static_cast<int>(child()));
  }
  int status = 0;
  waitpid(pid, &status, 0);
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) return child_hung;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// True if `child`, run in a forked process, says so.
template <class Child>
bool true_in_child(const Child& child) {
  return in_child(60, child) == 1;
}

/// Returns when the child stands still. A signal alone is under way for a while.
inline void stop_child(pid_t pid) noexcept {
  ::kill(pid, SIGSTOP);
  siginfo_t stopped{};
  ::waitid(P_PID, static_cast<id_t>(pid), &stopped, WSTOPPED | WEXITED | WNOWAIT);
}

}  // namespace dcache::testing
