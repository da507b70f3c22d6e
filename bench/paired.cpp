// SPDX-License-Identifier: MIT
#include "paired.hpp"

#include <algorithm>
#include <stdexcept>

#include <benchmark/benchmark.h>
#include <sys/resource.h>

namespace dcache::bench {

namespace {

// Before each slice, so that the piece finds the caches as it would leave them, not as the others
// did: 100,000 entries are read in again from memory in that time.
constexpr std::size_t warm_up_slices = 3;
constexpr int tries_max = 8;

/// How often the scheduler has taken the core away from this thread.
double preemptions() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return static_cast<double>(usage.ru_nivcsw);
}

void time_slice(benchmark::State& state, const Piece& piece, std::size_t operations) {
  const auto thread = static_cast<unsigned>(state.thread_index());
  const std::size_t warm_up = operations * warm_up_slices;
  if (piece.prepare) piece.prepare(thread, warm_up + operations);
  piece.work(thread, warm_up);
  const double before = preemptions();
  for (auto _ : state) piece.work(thread, operations);
  state.counters["preemptions"] = preemptions() - before;
}

/// Keeps what was measured and prints nothing.
class Keeper final : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      seconds = run.real_accumulated_time;
      preemptions = run.counters.at("preemptions");
    }
  }

  double seconds = 0;  // The mean of the threads.
  double preemptions = 0;
};

}  // namespace

Spread spread_of(std::vector<double> samples) {
  if (samples.empty()) return {};
  std::sort(samples.begin(), samples.end());
  const auto at = [&](std::size_t quarters) {
    return samples[(samples.size() - 1) * quarters / 4];
  };
  return {at(1), at(2), at(3)};
}

Spread ratio_of(const std::vector<double>& samples, const std::vector<double>& base) {
  std::vector<double> ratios;
  ratios.reserve(samples.size());
  for (std::size_t round = 0; round < samples.size(); ++round) {
    ratios.push_back(samples[round] / base[round]);
  }
  return spread_of(std::move(ratios));
}

std::size_t Paired::add(Piece piece) {
  Entry entry;
  entry.piece = std::move(piece);
  entry.id = "piece" + std::to_string(entries_.size());
  entries_.push_back(std::move(entry));
  return entries_.size() - 1;
}

void Paired::run(std::size_t rounds) {
  benchmark::ClearRegisteredBenchmarks();
  for (Entry& entry : entries_) {
    benchmark::RegisterBenchmark(
        entry.id.c_str(),
        [&entry](benchmark::State& state) { time_slice(state, entry.piece, entry.operations); })
        ->Iterations(1)
        ->UseRealTime()
        ->Threads(static_cast<int>(entry.piece.threads));
  }
  for (Entry& entry : entries_) calibrate(entry);
  for (std::size_t round = 0; round < rounds; ++round) {
    for (Entry& entry : entries_) sample(entry);
  }
  benchmark::ClearRegisteredBenchmarks();
}

double Paired::disturbed() const {
  std::size_t disturbed = 0;
  std::size_t all = 0;
  for (const Entry& entry : entries_) {
    disturbed += entry.disturbed;
    all += entry.samples.size();
  }
  return all == 0 ? 0 : static_cast<double>(disturbed) / static_cast<double>(all);
}

/// Finds how many operations fill a slice. The first ones find the caches cold, and take longer by
/// half: a number that is taken from them makes slices too short to be warm.
void Paired::calibrate(Entry& entry) {
  for (int step = 0; step < 16; ++step) {
    const auto operations = static_cast<double>(entry.operations);
    const double taken = slice(entry).nanoseconds * operations;
    if (taken > slice_nanoseconds_ * 0.9) return;
    const double growth = std::clamp(slice_nanoseconds_ / taken, 1.1, 8.0);
    entry.operations = static_cast<std::size_t>(operations * growth);
  }
}

Paired::Slice Paired::slice(const Entry& entry) {
  Keeper keeper;
  if (benchmark::RunSpecifiedBenchmarks(&keeper, "^" + entry.id + "/") != 1) {
    throw std::runtime_error("the benchmark library did not run " + entry.piece.name);
  }
  return {keeper.seconds * 1e9 / static_cast<double>(entry.operations), keeper.preemptions};
}

/// The least disturbed slice of a few tries.
void Paired::sample(Entry& entry) {
  Slice best = slice(entry);
  for (int tries = 1; tries < tries_max && best.preemptions > 0; ++tries) {
    const Slice again = slice(entry);
    if (again.preemptions < best.preemptions) best = again;
  }
  entry.samples.push_back(best.nanoseconds);
  if (best.preemptions > 0) ++entry.disturbed;
}

}  // namespace dcache::bench
