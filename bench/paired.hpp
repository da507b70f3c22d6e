// SPDX-License-Identifier: MIT
/// Times pieces of work against each other: ratios that hold on a machine that is not quiet.
///
/// The pieces run in rounds, A B C A B C, each for a slice of a few milliseconds, so that what
/// slows the machine down for a while slows all of them down. Two pieces are compared round by
/// round: the ratio is the median of the rounds' ratios. A slice in which the scheduler took a core
/// away is timed again. Google Benchmark starts the threads, lets them go together and takes the
/// time.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace dcache::bench {

/// The middle and the quartiles of many rounds.
struct Spread {
  double low = 0;
  double median = 0;
  double high = 0;
};
Spread spread_of(std::vector<double> samples);
/// One as a multiple of the other, round by round.
Spread ratio_of(const std::vector<double>& samples, const std::vector<double>& base);

/// What one thread does. Called by `threads` threads at a time, numbered from 0.
struct Piece {
  std::string name;
  unsigned threads = 1;
  std::function<void(unsigned thread, std::size_t operations)> prepare;  // Not timed; may be empty.
  std::function<void(unsigned thread, std::size_t operations)> work;
};

class Paired {
 public:
  /// Long enough for a start that is some 50 us apart to be noise, short enough to fit between two
  /// decisions of the scheduler.
  static constexpr double short_slice = 2.5e6;
  /// For work that comes in bursts: absl's table cleans itself up once in 15,000 insertions or so,
  /// and a slice must hold several of these.
  static constexpr double long_slice = 1e7;

  explicit Paired(double slice_nanoseconds) : slice_nanoseconds_(slice_nanoseconds) {}

  /// Returns the number of the piece. Not after `run`.
  std::size_t add(Piece piece);

  /// Runs every piece once a round.
  void run(std::size_t rounds);

  /// Nanoseconds for one operation of each thread.
  Spread nanoseconds(std::size_t piece) const { return spread_of(entries_[piece].samples); }

  /// The time of `piece` as a multiple of that of `base`, round by round.
  Spread ratio(std::size_t piece, std::size_t base) const {
    return ratio_of(entries_[piece].samples, entries_[base].samples);
  }

  /// The share of slices that the scheduler interrupted every time they were tried.
  double disturbed() const;

 private:
  struct Entry {
    Piece piece;
    std::string id;
    std::size_t operations = 512;
    std::vector<double> samples;
    std::size_t disturbed = 0;
  };
  struct Slice {
    double nanoseconds;  // For one operation.
    double preemptions;
  };

  void calibrate(Entry& entry);
  Slice slice(const Entry& entry);
  void sample(Entry& entry);

  double slice_nanoseconds_;
  std::vector<Entry> entries_;
};

}  // namespace dcache::bench
