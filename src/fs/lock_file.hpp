// SPDX-License-Identifier: MIT
/// Byte ranges of a file as locks between processes, and numbers in it.
///
/// The locks are those of an open file (F_OFD_SETLK; Linux, fcntl(2)): they end with the process,
/// by whatever it dies, and one process has them once for all of its threads, which have to agree
/// among themselves. A forked child has the file open, too, which would keep the locks when its
/// parent has ended: it lets go of it before anything else. Only local file systems keep the
/// promise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "fs/directory.hpp"

namespace dcache::fs {

class LockFile {
 public:
  LockFile() = default;
  LockFile(LockFile&&) = default;
  LockFile& operator=(LockFile&&) = default;

  /// Makes the file if it is not there.
  static Error open(const Directory& directory, const char* name, unsigned mode, LockFile& file);

  /// Whether the file is still there for others, and was not removed.
  bool is_linked() const noexcept;

  /// Takes the byte at `offset` (< 2^63) if nobody has it. EAGAIN: somebody does.
  Error try_lock(std::uint64_t offset) const noexcept;
  void unlock(std::uint64_t offset) const noexcept;

  /// Eight bytes at `offset`; beyond the end of the file they are 0.
  Error read(std::uint64_t offset, std::uint64_t& number) const noexcept;
  Error write(std::uint64_t offset, std::uint64_t number) const noexcept;

 private:
  // A place in the list of what forked children let go of.
  class Listed {
   public:
    Listed() = default;
    explicit Listed(int number) noexcept;
    Listed(Listed&& other) noexcept : place_(std::exchange(other.place_, none)) {}
    Listed& operator=(Listed&& other) noexcept {
      std::swap(place_, other.place_);
      return *this;
    }
    ~Listed();

   private:
    static constexpr std::size_t none = ~std::size_t{0};

    std::size_t place_ = none;
  };

  Error set(std::uint64_t offset, short type) const noexcept;

  Descriptor descriptor_;
  Listed listed_;  // Goes first: a number that was closed may be another file's.
};

}  // namespace dcache::fs
