// SPDX-License-Identifier: MIT
#include "fs/lock_file.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dcache/engine/fork.hpp"

namespace dcache::fs {
namespace {

struct Place {
  std::atomic<int> state{free};  // Or the number of the file.
  dev_t device = 0;
  ino_t file = 0;

  static constexpr int free = -1, busy = -2;
};
// The lock files of this process; beyond that many a child keeps its parent's.
std::array<Place, 256> open_files;
std::atomic<int> nothing{-1};  // What children have open in their stead.
std::once_flag watched;

bool is_same(int number, const Place& place) noexcept {
  struct stat found{};
  return ::fstat(number, &found) == 0 && found.st_dev == place.device && found.st_ino == place.file;
}

// Between fork and whatever comes next. The numbers stay taken: somebody still means to close them.
// Who has closed all files behind our back may have others under them.
void let_go() {
  const int instead = nothing.load(std::memory_order_relaxed);
  for (Place& place : open_files) {
    const int number = place.state.load(std::memory_order_acquire);
    if (number < 0) continue;
    place.state.store(Place::busy, std::memory_order_relaxed);  // Until its owner goes.
    if (is_same(number, place)) ::dup3(instead, number, O_CLOEXEC);
  }
}

void watch_forks() noexcept {
  nothing.store(::open("/dev/null", O_RDONLY | O_CLOEXEC), std::memory_order_relaxed);
  engine::run_in_forked_child(&let_go);
}

}  // namespace

LockFile::Listed::Listed(int number) noexcept {
  std::call_once(watched, watch_forks);
  struct stat found{};
  if (::fstat(number, &found) != 0) return;
  for (std::size_t at = 0; at < open_files.size(); ++at) {
    Place& place = open_files[at];
    int expected = Place::free;
    if (!place.state.compare_exchange_strong(expected, Place::busy)) continue;
    place.device = found.st_dev;
    place.file = found.st_ino;
    place.state.store(number, std::memory_order_release);
    place_ = at;
    return;
  }
}

LockFile::Listed::~Listed() {
  if (place_ != none) open_files[place_].state.store(Place::free, std::memory_order_release);
}

Error LockFile::open(const Directory& directory, const char* name, unsigned mode, LockFile& file) {
  const int number =
      ::openat(directory.number(), name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, mode);
  if (number < 0) return errno;
  file.listed_ = Listed();
  file.descriptor_ = Descriptor(number);
  file.listed_ = Listed(number);
  if ((mode & 02U) != 0) ::fchmod(number, mode);  // By who made it; the others need not.
  return 0;
}

bool LockFile::is_linked() const noexcept {
  struct stat found{};
  return ::fstat(descriptor_.number(), &found) != 0 || found.st_nlink > 0;
}

Error LockFile::set(std::uint64_t offset, short type) const noexcept {
  struct flock range{};
  range.l_type = type;
  range.l_whence = SEEK_SET;
  range.l_start = static_cast<off_t>(offset);
  range.l_len = 1;
  for (;;) {
    if (::fcntl(descriptor_.number(), F_OFD_SETLK, &range) == 0) return 0;
    if (errno != EINTR) return errno == EACCES ? EAGAIN : errno;
  }
}

Error LockFile::try_lock(std::uint64_t offset) const noexcept { return set(offset, F_WRLCK); }

void LockFile::unlock(std::uint64_t offset) const noexcept { set(offset, F_UNLCK); }

Error LockFile::read(std::uint64_t offset, std::uint64_t& number) const noexcept {
  number = 0;
  const ssize_t got =
      ::pread(descriptor_.number(), &number, sizeof number, static_cast<off_t>(offset));
  if (got < 0) return errno;
  if (got != sizeof number) number = 0;
  return 0;
}

Error LockFile::write(std::uint64_t offset, std::uint64_t number) const noexcept {
  const ssize_t put =
      ::pwrite(descriptor_.number(), &number, sizeof number, static_cast<off_t>(offset));
  if (put < 0) return errno;
  return put == sizeof number ? 0 : EIO;
}

}  // namespace dcache::fs
