// SPDX-License-Identifier: MIT
// A bar that shows how far the demo is, and numbers as people write them.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include <sys/ioctl.h>
#include <unistd.h>

namespace headers {

/// 1234567 -> "1,234,567"
inline std::string grouped(std::size_t number) {
  const std::string digits = std::to_string(number);
  std::string text;
  for (std::size_t at = 0; at < digits.size(); ++at) {
    if (at > 0 && (digits.size() - at) % 3 == 0) text += ',';
    text += digits[at];
  }
  return text;
}

/// Three digits and a unit: "4.65 s", "12.3 s", "104 ms", "0.3 ms"
inline std::string time_text(std::chrono::nanoseconds time) {
  const double seconds = std::chrono::duration<double>(time).count();
  char text[32];
  if (seconds < 0.9995) {
    std::snprintf(text, sizeof text, seconds < 0.01 ? "%.1f ms" : "%.0f ms", seconds * 1e3);
  } else {
    std::snprintf(text, sizeof text, seconds < 9.995 ? "%.2f s" : "%.1f s", seconds);
  }
  return text;
}

/// Whether this terminal is told to show more than ASCII.
inline bool has_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* const value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    const std::string_view locale(value);
    return locale.find("UTF-8") != locale.npos || locale.find("utf8") != locale.npos;
  }
  return false;
}

/// On a terminal it redraws one line; elsewhere it writes a line now and then. `total` > 0.
class Progress {
 public:
  Progress(std::string_view title, std::size_t total)
      : title_(title), total_(total), terminal_(isatty(STDOUT_FILENO) != 0), utf8_(has_utf8()) {
    winsize window{};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col == 0) return;
    constexpr std::size_t others = 54;  // The columns beside the bar.
    const std::size_t columns = std::max<std::size_t>(window.ws_col, others + 4);
    bar_width_ = std::min(bar_width_, columns - others);
  }

  void show(std::size_t done, std::chrono::nanoseconds elapsed) {
    if (terminal_) {
      std::printf("\r%s\033[K", line(done, elapsed).c_str());
    } else if (done == total_ || done >= said_ + total_ / 4) {
      said_ = done;
      std::printf("  %-18s %7s of %s calls %9s\n", title_.c_str(), grouped(done).c_str(),
                  grouped(total_).c_str(), time_text(elapsed).c_str());
    }
    std::fflush(stdout);
  }

  void finish(std::chrono::nanoseconds elapsed) {
    show(total_, elapsed);
    if (terminal_) std::printf("\n");
  }

 private:
  std::string line(std::size_t done, std::chrono::nanoseconds elapsed) const {
    const std::size_t filled = done * bar_width_ / total_;
    std::string bar;
    for (std::size_t at = 0; at < bar_width_; ++at) {
      bar += at < filled ? (utf8_ ? "█" : "#") : (utf8_ ? "░" : ".");
    }
    char text[256];
    std::snprintf(text, sizeof text, "  %-18s %s %3zu %% %9s calls %9s", title_.c_str(),
                  bar.c_str(), done * 100 / total_, grouped(done).c_str(),
                  time_text(elapsed).c_str());
    return text;
  }

  std::string title_;
  std::size_t total_;
  bool terminal_;
  bool utf8_;
  std::size_t bar_width_ = 26;
  std::size_t said_ = 0;
};

}  // namespace headers
