// SPDX-License-Identifier: MIT
#include "fs/lock_file.hpp"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace dcache::fs {

Error LockFile::open(const Directory& directory, const char* name, unsigned mode, LockFile& file) {
  const int number =
      ::openat(directory.number(), name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, mode);
  if (number < 0) return errno;
  file.descriptor_ = Descriptor(number);
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
