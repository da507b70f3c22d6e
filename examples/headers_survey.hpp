// SPDX-License-Identifier: MIT
// The slow functions of the demo: what is in a header, and what does including it bring along?
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace headers {

/// One header: what is in it once comments and strings are out of the way. Functions and types are
/// counted by the look of a line, since nothing here is a compiler.
struct Summary {
  std::size_t bytes = 0;
  std::size_t code_lines = 0;
  std::size_t comment_lines = 0;
  std::size_t macros = 0;
  std::size_t functions = 0;
  std::size_t types = 0;
  std::size_t longest_line = 0;
  /// The files that it includes, where they were found; `#if` is not evaluated.
  std::vector<std::string> includes;
};

/// A header with everything that it includes, directly or not.
struct Survey {
  std::size_t headers = 0;
  std::size_t bytes = 0;
  std::size_t code_lines = 0;
  std::size_t comment_lines = 0;
  std::size_t macros = 0;
  std::size_t functions = 0;
  std::size_t types = 0;
  std::size_t longest_line = 0;

  bool operator==(const Survey&) const = default;
};

/// Where a compiler of this machine would look. Immutable, so any thread may use it.
class SearchPath {
 public:
  /// Throws std::runtime_error if there is no `root`, such as "/usr/include".
  explicit SearchPath(const std::filesystem::path& root);

  /// The file that `#include <name>` means, or "" if there is none. `from` is the including file's
  /// folder if the name is in quotes, else empty.
  std::string find(const std::filesystem::path& from, const std::string& name) const;

  /// Headers that programs include by name: the C library's, the kernel's, the standard library's.
  std::vector<std::string> well_known() const;

 private:
  std::filesystem::path root_;
  std::vector<std::filesystem::path> folders_;
};

/// Reads and parses one header.
std::shared_ptr<const Summary> summarise(const SearchPath& search, const std::string& path);

using Summarise = std::function<std::shared_ptr<const Summary>(const std::string& path)>;

/// Summarises a header and everything that it includes.
Survey survey(const std::string& path, const Summarise& summarise);

}  // namespace headers
