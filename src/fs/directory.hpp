// SPDX-License-Identifier: MIT
/// Files by name in an open directory: read whole, replaced atomically. Names may have slashes.
///
/// What fails says the number of the system's error; 0 is none. A directory is safe from any
/// thread; what a fork inherits goes on working.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace dcache::fs {

using Error = int;  // errno; 0: none.
/// "No space left on device", for instance.
std::string describe(Error error);

/// Microseconds since 1970-01-01 UTC.
using FileTime = std::int64_t;

struct Status {
  std::uint64_t size = 0;  // Bytes on the disk, as the file system counts them.
  FileTime modified = 0;
  FileTime used = 0;  // Read or changed, whichever was later, as far as the file system notes it.
  unsigned mode = 0;  // The twelve bits of permissions.
  unsigned owner = 0;
  bool is_directory = false;
};

/// Owns a descriptor, which children that run another program do not inherit.
class Descriptor {
 public:
  Descriptor() noexcept = default;
  explicit Descriptor(int number) noexcept : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(other.number_) { other.number_ = -1; }
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();

  explicit operator bool() const noexcept { return number_ >= 0; }
  int number() const noexcept { return number_; }

 private:
  int number_ = -1;
};

/// Makes a directory, and all that lead to it, unless they are there.
Error make_directories(const std::string& path, unsigned mode);
/// Of what the path names, links followed.
Error status_of(const std::string& path, Status& status);
/// The user that this process acts for.
unsigned current_user() noexcept;

class Directory {
 public:
  Directory() noexcept = default;

  static Error open(const std::string& path, Directory& directory);
  Error open(const char* name, Directory& directory) const;

  /// Fine if it is there. What others may write to by `mode` they may, whatever the umask says.
  Error make(const char* name, unsigned mode) const;
  Error remove(const char* name) const;
  /// Into another one of the same file system, under a name that nobody has.
  Error move(const char* name, const Directory& where) const;
  /// The whole of a file of at most `size_max` bytes (EFBIG). Follows no link, waits for nobody.
  Error read(const char* name, std::string& bytes, std::size_t size_max) const;
  Error status(const char* name, Status& status) const;
  /// `visit(name)` for all but `.` and `..`, in no order, until it is false.
  Error list(const std::function<bool(const char* name)>& visit) const;

  int number() const noexcept { return descriptor_.number(); }

 private:
  Descriptor descriptor_;
};

/// A file that is written beside the one that it will replace. What is not published is removed.
class Draft {
 public:
  explicit Draft(const Directory& directory) noexcept : directory_(directory) {}
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;
  ~Draft();

  /// Makes the file under a name that nobody has.
  Error write(std::string_view bytes, unsigned mode, FileTime modified);
  /// Takes the place of `name` in `where`, of the same file system.
  Error publish(const Directory& where, const char* name);

 private:
  const Directory& directory_;
  std::string name_;
};

}  // namespace dcache::fs
