// SPDX-License-Identifier: MIT
// Replays traces through dcache::Memory and through LRU, ARC and S3-FIFO, and prints hit ratios.
//
//   replay [--check] FILE...
//     hit ratios at three sizes of each trace, and the bars that they must pass
//
//   replay --curves FILE...
//     miss ratios at more sizes
//
//   replay --threads N FILE...
//     hit ratios with one thread and with N that share one table
//
// A size is a share of the trace's unique ids, cut to whole entries. "Ours" is the mean over a few
// seeds, since the hash of a table differs from process to process.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iterator>
#include <latch>
#include <string>
#include <thread>
#include <vector>

#include "dcache/memory.hpp"
#include "support/dealer.hpp"

#include "simulated.hpp"
#include "trace.hpp"

namespace {

using dcache::bench::Id;
using dcache::bench::Trace;
using Table = dcache::Memory<std::uint64_t, std::uint64_t>;

constexpr std::size_t entries_min = 64;  // Smaller cells say more about rounding than about policy.
constexpr std::uint64_t seeds = 3;

struct Size {
  double percent;
  const char* name;
};
constexpr Size sizes[] = {{0.1, "0.1 %"}, {1, "1 %"}, {10, "10 %"}};
constexpr Size curve[] = {{0.1, "0.1 %"}, {0.2, "0.2 %"}, {0.5, "0.5 %"}, {1, "1 %"},
                          {2, "2 %"},     {5, "5 %"},     {10, "10 %"}};

std::size_t entries(const Trace& trace, double percent) {
  return static_cast<std::size_t>(static_cast<double>(trace.unique) * percent / 100.0 + 1e-9);
}

double percent_of(const Trace& trace, std::size_t hits) {
  return 100.0 * static_cast<double>(hits) / static_cast<double>(trace.requests.size());
}

std::uint64_t key_of(Id id, std::uint64_t seed) { return id ^ seed << 40U; }

Table table_of(std::size_t max_entries) { return Table({.max_entries = max_entries}); }

bool request(Table& table, std::uint64_t key) {
  if (table.get(key)) return true;
  table.put(key, key);
  return false;
}

/// Our hit ratio in percent with one thread.
double replay(const Trace& trace, std::size_t max_entries, std::uint64_t seed) {
  Table table = table_of(max_entries);
  std::size_t hits = 0;
  for (const Id id : trace.requests) hits += request(table, key_of(id, seed)) ? 1 : 0;
  return percent_of(trace, hits);
}

/// The same with several threads, who get `block` requests at a time.
double replay(const Trace& trace, std::size_t max_entries, unsigned threads, std::size_t block) {
  Table table = table_of(max_entries);
  dcache::testing::Dealer dealer(trace.requests.size(), threads, block, max_entries / 4);
  std::atomic<std::size_t> hits{0};
  std::latch start(threads);
  const auto work = [&](unsigned thread) {
    start.arrive_and_wait();
    std::size_t mine = 0;
    for (std::size_t i = 0; dealer.deal(thread, i);) {
      for (const std::size_t end = dealer.end_of(i); i < end; ++i) {
        mine += request(table, key_of(trace.requests[i], 0)) ? 1 : 0;
      }
    }
    hits += mine;
  };
  std::vector<std::jthread> crew;
  crew.reserve(threads);
  for (unsigned i = 0; i < threads; ++i) crew.emplace_back(work, i);
  crew.clear();
  return percent_of(trace, hits);
}

/// The same, the middle one of five tries: what the scheduler does is chance.
double replay_often(const Trace& trace, std::size_t max_entries, unsigned threads,
                    std::size_t block) {
  double tries[5];
  for (double& hits : tries) hits = replay(trace, max_entries, threads, block);
  std::sort(std::begin(tries), std::end(tries));
  return tries[2];
}

/// Hit ratios in percent.
struct Cell {
  std::string name;
  double ours_of[seeds];
  double ours;
  double ours_worst;
  double lru;
  double arc;
  double s3fifo;

  double best() const { return std::max({lru, arc, s3fifo}); }
};

Cell measure(const Trace& trace, std::size_t max_entries) {
  Cell cell{};
  cell.name = trace.name;
  cell.ours_worst = 100;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    const double ours = replay(trace, max_entries, seed);
    cell.ours_of[seed] = ours;
    cell.ours += ours / static_cast<double>(seeds);
    cell.ours_worst = std::min(cell.ours_worst, ours);
  }
  cell.lru = percent_of(trace, dcache::bench::lru_hits(trace, max_entries));
  cell.arc = percent_of(trace, dcache::bench::arc_hits(trace, max_entries));
  cell.s3fifo = percent_of(trace, dcache::bench::s3fifo_hits(trace, max_entries));
  return cell;
}

template <class Get>
double mean(const std::vector<Cell>& cells, Get&& get) {
  double sum = 0;
  for (const Cell& cell : cells) sum += get(cell);
  return sum / static_cast<double>(cells.size());
}

/// Where `get` is largest.
template <class Get>
const Cell& worst(const std::vector<Cell>& cells, Get&& get) {
  return *std::max_element(cells.begin(), cells.end(),
                           [&](const Cell& a, const Cell& b) { return get(a) < get(b); });
}

const char* verdict(bool holds) { return holds ? "holds" : "**fails**"; }

double mean_of_seed(const std::vector<Cell>& cells, std::uint64_t seed) {
  return mean(cells, [seed](const Cell& cell) { return cell.ours_of[seed]; });
}

/// Prints the bars and whether they hold, for the worst seed.
bool judge(const std::vector<Cell>& cells) {
  constexpr double mean_min = 40.0;
  constexpr double behind_best_max = 4.0;
  constexpr double behind_lru_max = 1.0;
  const auto behind_best = [](const Cell& cell) { return cell.best() - cell.ours_worst; };
  const auto behind_lru = [](const Cell& cell) { return cell.lru - cell.ours_worst; };
  double low = 100;
  double high = 0;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    low = std::min(low, mean_of_seed(cells, seed));
    high = std::max(high, mean_of_seed(cells, seed));
  }
  const Cell& far_from_best = worst(cells, behind_best);
  const Cell& far_from_lru = worst(cells, behind_lru);

  std::printf("\n| bar, of the worst of %d seeds | measured | |\n|---|--:|---|\n",
              static_cast<int>(seeds));
  std::printf("| mean of %zu cells at least %.1f (31 cells are meant) | %.2f to %.2f | %s |\n",
              cells.size(), mean_min, low, high, verdict(low >= mean_min));
  std::printf("| no cell more than %.0f points behind the best of three | %.2f: %s | %s |\n",
              behind_best_max, behind_best(far_from_best), far_from_best.name.c_str(),
              verdict(behind_best(far_from_best) <= behind_best_max));
  std::printf("| no cell more than %.0f point below LRU | %.2f: %s | %s |\n", behind_lru_max,
              behind_lru(far_from_lru), far_from_lru.name.c_str(),
              verdict(behind_lru(far_from_lru) <= behind_lru_max));
  return low >= mean_min && behind_best(far_from_best) <= behind_best_max &&
         behind_lru(far_from_lru) <= behind_lru_max;
}

bool print_cells(const std::vector<std::string>& files) {
  std::vector<Cell> cells;
  std::printf("| trace | size | entries | dcache | LRU | ARC | S3-FIFO | to the best | to LRU |\n");
  std::printf("|---|--:|--:|--:|--:|--:|--:|--:|--:|\n");
  for (const auto& file : files) {
    const Trace trace = dcache::bench::read_trace(file);
    for (const auto& [percent, name] : sizes) {
      const std::size_t max_entries = entries(trace, percent);
      if (max_entries < entries_min) continue;
      Cell cell = measure(trace, max_entries);
      std::printf("| %s | %s | %zu | %.2f | %.2f | %.2f | %.2f | %+.2f | %+.2f |\n",
                  cell.name.c_str(), name, max_entries, cell.ours, cell.lru, cell.arc, cell.s3fifo,
                  cell.ours - cell.best(), cell.ours - cell.lru);
      std::fflush(stdout);
      cell.name += std::string(", ") + name;
      cells.push_back(std::move(cell));
    }
  }
  std::printf("| **mean** | | | **%.2f** | %.2f | %.2f | %.2f | | |\n",
              mean(cells, [](const Cell& cell) { return cell.ours; }),
              mean(cells, [](const Cell& cell) { return cell.lru; }),
              mean(cells, [](const Cell& cell) { return cell.arc; }),
              mean(cells, [](const Cell& cell) { return cell.s3fifo; }));
  return judge(cells);
}

void print_curves(const std::vector<std::string>& files) {
  constexpr std::size_t smallest = 16;
  std::printf("| trace | size | entries | dcache | LRU | ARC | S3-FIFO |\n");
  std::printf("|---|--:|--:|--:|--:|--:|--:|\n");
  for (const auto& file : files) {
    const Trace trace = dcache::bench::read_trace(file);
    for (const auto& [percent, name] : curve) {
      const std::size_t max_entries = entries(trace, percent);
      if (max_entries < smallest) continue;
      const Cell cell = measure(trace, max_entries);
      std::printf("| %s | %s | %zu | %.2f | %.2f | %.2f | %.2f |\n", cell.name.c_str(), name,
                  max_entries, 100 - cell.ours, 100 - cell.lru, 100 - cell.arc, 100 - cell.s3fifo);
      std::fflush(stdout);
    }
  }
}

/// How many requests a thread takes at a time: as many threads as there are hold a quarter of the
/// cache at most, or the requests would reach it in quite another order.
std::size_t block_of(std::size_t max_entries, unsigned threads) {
  return std::clamp<std::size_t>(max_entries / (std::size_t{4} * threads), 1, 64);
}

/// Prints hit ratios with one thread and with many: requests dealt singly and by the block.
bool print_threads(const std::vector<std::string>& files, unsigned threads) {
  constexpr double differ_max = 0.5;
  double mean_one = 0;
  double mean_many = 0;
  double mean_blocks = 0;
  double widest = 0;
  std::size_t cells = 0;
  std::printf("| trace | size | 1 thread | %u threads, singly | by blocks | of | widest |\n",
              threads);
  std::printf("|---|--:|--:|--:|--:|--:|--:|\n");
  for (const auto& file : files) {
    const Trace trace = dcache::bench::read_trace(file);
    for (const auto& [percent, name] : sizes) {
      const std::size_t max_entries = entries(trace, percent);
      if (max_entries < entries_min) continue;
      const double one = replay(trace, max_entries, 0);
      const double many = replay_often(trace, max_entries, threads, 1);
      const std::size_t block = block_of(max_entries, threads);
      const double blocks = replay_often(trace, max_entries, threads, block);
      const double differ = std::max(std::abs(one - many), std::abs(one - blocks));
      std::printf("| %s | %s | %.2f | %.2f | %.2f | %zu | %.2f |\n", trace.name.c_str(), name, one,
                  many, blocks, block, differ);
      std::fflush(stdout);
      mean_one += one;
      mean_many += many;
      mean_blocks += blocks;
      widest = std::max(widest, differ);
      ++cells;
    }
  }
  const auto count = static_cast<double>(cells);
  const double differ = std::max(std::abs(mean_one - mean_many), std::abs(mean_one - mean_blocks));
  std::printf("| **mean** | | %.2f | %.2f | %.2f | | %.2f |\n", mean_one / count, mean_many / count,
              mean_blocks / count, differ / count);
  std::printf("\n| bar | measured | |\n|---|--:|---|\n");
  std::printf(
      "| hit ratio with 1 and %u threads differs by less than %.1f points | "
      "%.2f in the mean, %.2f in the widest cell | %s |\n",
      threads, differ_max, differ / count, widest, verdict(differ / count < differ_max));
  return differ / count < differ_max;
}

int run(const std::vector<std::string>& words) {
  std::vector<std::string> files;
  bool check = false;
  bool curves = false;
  unsigned threads = 0;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--check") {
      check = true;
    } else if (words[i] == "--curves") {
      curves = true;
    } else if (words[i] == "--threads" && i + 1 < words.size()) {
      threads = static_cast<unsigned>(std::stoul(words[++i]));
    } else {
      files.push_back(words[i]);
    }
  }
  if (files.empty()) {
    std::fputs("usage: replay [--check] [--curves | --threads N] FILE...\n", stderr);
    return 2;
  }
  if (curves) {
    print_curves(files);
    return 0;
  }
  const bool holds = threads > 0 ? print_threads(files, threads) : print_cells(files);
  return check && !holds ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "replay: %s\n", error.what());
    return 2;
  }
}
