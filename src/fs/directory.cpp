// SPDX-License-Identifier: MIT
#include "fs/directory.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <memory>
#include <system_error>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace dcache::fs {
namespace {

constexpr FileTime million = 1'000'000;
// 2100: what is kept for ever. Some file systems end in 2106.
constexpr FileTime last_moment = 4'102'444'800 * million;

Error outcome(int result) noexcept { return result < 0 ? errno : 0; }

template <class Call>
auto retried(Call&& call) noexcept {
  for (;;) {
    const auto result = call();
    if (result >= 0 || errno != EINTR) return result;
  }
}

FileTime microseconds(const timespec& time) noexcept {
  return FileTime{time.tv_sec} * million + time.tv_nsec / 1000;
}

timespec seconds(FileTime time) noexcept {
  const FileTime kept = std::clamp<FileTime>(time, 0, last_moment);
  timespec result{};
  result.tv_sec = static_cast<std::time_t>(kept / million);
  result.tv_nsec = static_cast<long>(kept % million) * 1000;
  return result;
}

Status status_from(const struct stat& found) noexcept {
  Status status;
  status.size = static_cast<std::uint64_t>(found.st_blocks) * 512;
  status.modified = microseconds(found.st_mtim);
  status.used = std::max(microseconds(found.st_atim), microseconds(found.st_ctim));
  status.mode = found.st_mode & 07777U;
  status.owner = found.st_uid;
  status.is_directory = S_ISDIR(found.st_mode);
  return status;
}

Error write_all(int file, std::string_view bytes) noexcept {
  while (!bytes.empty()) {
    const ssize_t written = retried([&] { return ::write(file, bytes.data(), bytes.size()); });
    if (written < 0) return errno;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

// The rest of a file that is larger than what has been read of it.
Error read_rest(int file, std::string& bytes, std::size_t size_max) {
  struct stat found{};
  if (::fstat(file, &found) < 0) return errno;
  std::size_t have = bytes.size();
  if (found.st_size > 0 && static_cast<std::uint64_t>(found.st_size) > size_max) return EFBIG;
  bytes.resize(std::max(have + 1, static_cast<std::size_t>(found.st_size) + 1));
  for (;;) {
    const ssize_t got =
        retried([&] { return ::read(file, bytes.data() + have, bytes.size() - have); });
    if (got < 0) return errno;
    have += static_cast<std::size_t>(got);
    if (got == 0) break;
    if (have > size_max) return EFBIG;
    if (have == bytes.size()) bytes.resize(have * 2);
  }
  bytes.resize(have);
  return 0;
}

bool is_for_others(unsigned mode) noexcept { return (mode & 02U) != 0; }

std::string new_name() {
  static std::atomic<unsigned> count{0};
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  std::array<char, 64> name{};
  const int length = std::snprintf(
      name.data(), name.size(), "%lx-%lx-%lx-%x", static_cast<unsigned long>(::getpid()),
      static_cast<unsigned long>(now.tv_sec), static_cast<unsigned long>(now.tv_nsec), ++count);
  return {name.data(), static_cast<std::size_t>(length)};
}

}  // namespace

std::string describe(Error error) { return std::generic_category().message(error); }

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(number_, other.number_);
  return *this;
}

Descriptor::~Descriptor() {
  if (number_ >= 0) ::close(number_);
}

Error make_directories(const std::string& path, unsigned mode) {
  Error error = outcome(::mkdir(path.c_str(), mode));
  const std::size_t slash = path.find_last_of('/');
  if (error == ENOENT && slash != std::string::npos && slash != 0) {
    error = make_directories(path.substr(0, slash), 0755);
    if (error == 0) error = outcome(::mkdir(path.c_str(), mode));
  }
  if (error == 0 && is_for_others(mode)) ::chmod(path.c_str(), mode);
  return error == EEXIST ? 0 : error;
}

Error status_of(const std::string& path, Status& status) {
  struct stat found{};
  if (::stat(path.c_str(), &found) < 0) return errno;
  status = status_from(found);
  return 0;
}

unsigned current_user() noexcept { return ::geteuid(); }

Error Directory::open(const std::string& path, Directory& directory) {
  const int number =
      retried([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (number < 0) return errno;
  directory.descriptor_ = Descriptor(number);
  return 0;
}

Error Directory::open(const char* name, Directory& directory) const {
  const int number = retried([&] {
    return ::openat(this->number(), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  });
  if (number < 0) return errno;
  directory.descriptor_ = Descriptor(number);
  return 0;
}

Error Directory::make(const char* name, unsigned mode) const {
  const Error error = outcome(::mkdirat(number(), name, mode));
  if (error == 0 && is_for_others(mode)) ::fchmodat(number(), name, mode, 0);
  return error == EEXIST ? 0 : error;
}

Error Directory::move(const char* name, const Directory& where) const {
  return outcome(::renameat(number(), name, where.number(), new_name().c_str()));
}

Error Directory::remove(const char* name) const { return outcome(::unlinkat(number(), name, 0)); }

Error Directory::read(const char* name, std::string& bytes, std::size_t size_max) const {
  const Descriptor file(retried(
      [&] { return ::openat(number(), name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK); }));
  if (!file) return errno;
  // Most files fit, and are then read without asking for their size.
  std::array<char, 8192> first;
  const ssize_t got = retried([&] { return ::read(file.number(), first.data(), first.size()); });
  if (got < 0) return errno;
  struct stat found{};
  // Nothing may be an empty file, or a pipe, which has nothing now.
  if (got == 0 && ::fstat(file.number(), &found) == 0 && !S_ISREG(found.st_mode)) return ENXIO;
  bytes.assign(first.data(), static_cast<std::size_t>(got));
  if (bytes.size() < first.size()) return bytes.size() > size_max ? EFBIG : 0;
  return read_rest(file.number(), bytes, size_max);
}

Error Directory::status(const char* name, Status& status) const {
  struct stat found{};
  if (::fstatat(number(), name, &found, AT_SYMLINK_NOFOLLOW) < 0) return errno;
  status = status_from(found);
  return 0;
}

Error Directory::list(const std::function<bool(const char* name)>& visit) const {
  // A place in it of its own: others may be listing, too.
  const int copy =
      retried([&] { return ::openat(number(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (copy < 0) return errno;
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(copy), &::closedir);
  if (!listing) {
    const Error error = errno;
    ::close(copy);
    return error;
  }
  while (const dirent* const entry = ::readdir(listing.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != ".." && !visit(entry->d_name)) break;
  }
  return 0;
}

Error Draft::write(std::string_view bytes, unsigned mode, FileTime modified) {
  name_ = new_name();
  const Descriptor file(retried([&] {
    return ::openat(directory_.number(), name_.c_str(),
                    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
  }));
  if (!file) {
    name_.clear();
    return errno;
  }
  if (is_for_others(mode)) ::fchmod(file.number(), mode);
  if (const Error error = write_all(file.number(), bytes)) return error;
  const std::array<timespec, 2> times = {timespec{0, UTIME_OMIT}, seconds(modified)};
  return outcome(::futimens(file.number(), times.data()));
}

Error Draft::publish(const Directory& where, const char* name) {
  const Error error = outcome(::renameat(directory_.number(), name_.c_str(), where.number(), name));
  if (error == 0) name_.clear();
  return error;
}

Draft::~Draft() {
  if (!name_.empty()) ::unlinkat(directory_.number(), name_.c_str(), 0);
}

}  // namespace dcache::fs
