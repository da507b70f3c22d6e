// SPDX-License-Identifier: MIT
// dcache::Memory beside its rivals: hits, misses and a mix, with one thread and with two.
//
//   speed [--check] [--rounds N] [--only TYPES]
//
// TYPES is a part of a heading, for a quick look while working on something: "64-bit values".
//
// Hits: zipf 0.99 over 100,000 keys, all of them resident. Misses: keys never asked for before,
// looked up and inserted, each pushing another one out of 100,000. Mix: zipf 0.99 over 1,000,000
// keys with room for 100,000. Times are wall nanoseconds for one operation of each thread.
#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "paired.hpp"
#include "tables.hpp"
#include "workload.hpp"

namespace {

namespace bench = dcache::bench;

using bench::Number;
using bench::Places;
using bench::Shared;
using bench::Spread;

constexpr std::size_t resident = 100'000;
// Shards fill unevenly: with this much room nobody has to evict a resident key.
constexpr std::size_t roomy = resident * 5 / 4;

enum Kind : unsigned { hits, misses, mix, kinds };
constexpr std::array<const char*, kinds> kind_names = {"hit", "miss + insert + evict", "mix"};

/// A bar of the project: ours as a multiple of theirs.
struct Bar {
  std::string text;
  Spread measured;
  double limit;

  bool holds() const { return measured.median <= limit; }
};

/// Nanoseconds of one table, by kind and threads.
struct Row {
  std::string name;
  std::array<std::array<double, bench::threads_max>, kinds> nanoseconds{};
};

struct Limit {
  const char* rival;
  double hits;
  double others;  // 0: no bar.
};

template <class Key, class Value>
const std::vector<Limit>& limits() {
  constexpr bool numbers = std::is_same_v<Key, Number> && std::is_same_v<Value, Number>;
  static const std::vector<Limit> all = {
      {bench::Absl<Key, Value>::name, numbers ? 3.5 : 0, numbers ? 1.5 : 0},
      {bench::BoostMap<Key, Value>::name, numbers ? 0 : 1.3, 0},
      {bench::ListLru<Key, Value>::name, 0.5, 0.5},
      {bench::TbbLru<Key, Value>::name, 0.5, 0.5},
      {bench::HyperClock<Key, Value>::name, 0.8, 0.8}};
  return all;
}

template <class Table, class Key>
bool look_up(Table& table, const Key& key, std::uint64_t& sum) {
  return table.get(key, [&sum](const auto& value) { sum += bench::read(value); });
}

template <class Value, class Table, class Key>
void look_up_or_insert(Table& table, const Key& key, std::uint64_t& sum) {
  if (!look_up(table, key, sum)) table.put(key, bench::make_value<Value>(sum | 1U));
}

/// All tables with one type of key and value, one kind of workload after the other.
template <class Key, class Value>
class Contest {
 public:
  explicit Contest(const char* types) : types_(types) {}

  void run(std::size_t rounds) {
    run_hits(rounds);
    run_misses(rounds);
    run_mix(rounds);
  }

  const char* types() const { return types_; }
  const std::vector<Row>& rows() const { return rows_; }
  const std::vector<Bar>& bars() const { return bars_; }
  double disturbed() const { return disturbed_ / static_cast<double>(kinds); }

 private:
  static constexpr bool numbers = std::is_same_v<Key, Number> && std::is_same_v<Value, Number>;
  static constexpr bool shared = std::is_same_v<Value, Shared>;

  struct Runner {
    std::string name;
    std::array<std::size_t, bench::threads_max> pieces{};
    unsigned threads = 0;
  };
  using Runners = std::vector<Runner>;

  /// `piece(table)` for each number of threads, on a table of its own: one that two threads have
  /// used is another than one that belongs to one. `same`: not where that is no matter.
  template <class Table, class PieceOf>
  void add(std::size_t entries, bool same, const PieceOf& piece) {
    Runner runner;
    runner.name = Table::name;
    runner.threads = Table::threaded ? bench::threads_max : 1;
    bench::Piece added;
    for (unsigned threads = 1; threads <= runner.threads; ++threads) {
      if (threads == 1 || !same) added = piece(std::make_shared<Table>(entries));
      added.name = Table::name;
      added.threads = threads;
      runner.pieces[threads - 1] = paired_->add(added);
    }
    runners_.push_back(std::move(runner));
  }

  template <template <class, class> class Table>
  void add_hits(const bench::Stream<Key>& stream) {
    add<Table<Key, Value>>(roomy, numbers, [&stream](const auto& table) {
      for (std::size_t rank = 0; rank < resident; ++rank) {
        table->put(bench::key_of<Key>(rank), bench::make_value<Value>(1));
      }
      std::uint64_t sum = 0;
      for (std::size_t rank = 0; rank < resident; ++rank) {
        look_up(*table, bench::key_of<Key>(rank), sum);
      }
      if (sum != resident) {
        std::fprintf(stderr, "not all resident in %s\n", Table<Key, Value>::name);
      }
      auto places = std::make_shared<Places>(stream.begin());
      bench::Piece piece;
      piece.work = [table, places, &stream](unsigned thread, std::size_t operations) {
        std::uint64_t read = 0;
        stream.next((*places)[thread], operations,
                    [&](const Key& key) { look_up(*table, key, read); });
        benchmark::DoNotOptimize(read);
      };
      return piece;
    });
  }

  template <template <class, class> class Table>
  void add_misses() {
    add<Table<Key, Value>>(resident, false, [](const auto& table) {
      auto stream = std::make_shared<bench::FreshStream<Key>>();
      bench::Piece piece;
      piece.prepare = [stream](unsigned thread, std::size_t operations) {
        stream->prepare(thread, operations);
      };
      piece.work = [table, stream](unsigned thread, std::size_t operations) {
        std::uint64_t read = 0;
        stream->next(thread, operations,
                     [&](const Key& key) { look_up_or_insert<Value>(*table, key, read); });
        benchmark::DoNotOptimize(read);
      };
      piece.prepare(0, 3 * resident);
      piece.work(0, 3 * resident);
      return piece;
    });
  }

  template <template <class, class> class Table>
  void add_mix(const bench::Stream<Key>& stream) {
    add<Table<Key, Value>>(resident, false, [&stream](const auto& table) {
      auto places = std::make_shared<Places>(stream.begin());
      bench::Piece piece;
      piece.work = [table, places, &stream](unsigned thread, std::size_t operations) {
        std::uint64_t read = 0;
        stream.next((*places)[thread], operations,
                    [&](const Key& key) { look_up_or_insert<Value>(*table, key, read); });
        benchmark::DoNotOptimize(read);
      };
      piece.work(0, stream.size() / 4);
      return piece;
    });
  }

  void run_hits(std::size_t rounds) {
    const bench::Stream<Key> stream(resident, 1'000'000);
    start(bench::Paired::short_slice);
    add_hits<bench::Dcache>(stream);
    add_hits<bench::DcacheTtl>(stream);
    if constexpr (!numbers) add_hits<bench::DcacheOfSeveral>(stream);  // Else it is the same.
    if constexpr (shared) add_hits<bench::DcacheCopied>(stream);
    add_hits<bench::Absl>(stream);
    add_hits<bench::BoostMap>(stream);
    add_hits<bench::ListLru>(stream);
    add_hits<bench::TbbLru>(stream);
    add_hits<bench::HyperClock>(stream);
    finish(hits, rounds);
  }

  void run_misses(std::size_t rounds) {
    start(bench::Paired::long_slice);
    add_misses<bench::Dcache>();
    add_misses<bench::DcacheTtl>();
    add_misses<bench::DcacheOfSeveral>();
    add_misses<bench::Absl>();
    add_misses<bench::ListLru>();
    add_misses<bench::ReusingListLru>();
    add_misses<bench::TbbLru>();
    add_misses<bench::HyperClock>();
    finish(misses, rounds);
  }

  void run_mix(std::size_t rounds) {
    const bench::Stream<Key> stream(10 * resident, 2'000'000);
    start(bench::Paired::long_slice);
    add_mix<bench::Dcache>(stream);
    add_mix<bench::DcacheTtl>(stream);
    add_mix<bench::DcacheOfSeveral>(stream);
    add_mix<bench::Absl>(stream);
    add_mix<bench::ListLru>(stream);
    add_mix<bench::ReusingListLru>(stream);
    add_mix<bench::TbbLru>(stream);
    add_mix<bench::HyperClock>(stream);
    finish(mix, rounds);
  }

  void start(double slice_nanoseconds) {
    paired_ = std::make_unique<bench::Paired>(slice_nanoseconds);
    runners_.clear();
  }

  void finish(Kind kind, std::size_t rounds) {
    paired_->run(rounds);
    disturbed_ += paired_->disturbed();
    for (const Runner& runner : runners_) {
      for (unsigned threads = 1; threads <= runner.threads; ++threads) {
        row(runner.name).nanoseconds[kind][threads - 1] =
            paired_->nanoseconds(runner.pieces[threads - 1]).median;
      }
    }
    judge(kind);
    paired_.reset();
  }

  Row& row(const std::string& name) {
    for (Row& row : rows_) {
      if (row.name == name) return row;
    }
    return rows_.emplace_back(Row{name, {}});
  }

  /// The bars of one kind: the first runner is ours, the second ours with a ttl.
  void judge(Kind kind) {
    const std::string what = std::string(kind_names[kind]) + ", " + types_;
    const Runner& ours = runners_[0];
    for (const Runner& rival : runners_) {
      for (const Limit& limit : limits<Key, Value>()) {
        const double most = kind == hits ? limit.hits : limit.others;
        // The ring beside absl's table is a bar for misses, not for a mix of another hit ratio.
        const bool fair = rival.threads == bench::threads_max || kind != mix;
        if (rival.name != limit.rival || most == 0 || !fair) continue;
        for (unsigned threads = 1; threads <= rival.threads; ++threads) {
          bar(what + ", to " + rival.name, threads, ours, rival, most);
        }
      }
    }
    if (!numbers || kind != hits) return;
    for (const Runner& rival : runners_) {
      if (rival.name != bench::Absl<Key, Value>::name) continue;
      bar(what + ", ttl on, to " + rival.name, 1, runners_[1], rival, 4.5);
    }
    bars_.push_back(
        {what + ", two threads to one", paired_->ratio(ours.pieces[1], ours.pieces[0]), 1.2});
  }

  void bar(const std::string& text, unsigned threads, const Runner& ours, const Runner& theirs,
           double limit) {
    bars_.push_back({text + (threads == 1 ? ", 1 thread" : ", 2 threads"),
                     paired_->ratio(ours.pieces[threads - 1], theirs.pieces[threads - 1]), limit});
  }

  const char* types_;
  std::unique_ptr<bench::Paired> paired_;
  Runners runners_;
  std::vector<Row> rows_;
  std::vector<Bar> bars_;
  double disturbed_ = 0;
};

void print_rows(const char* types, const std::vector<Row>& rows) {
  std::printf("\n### %s\n\n", types);
  std::printf(
      "| ns per operation of each thread | hit, 1 thread | hit, 2 | miss, 1 | miss, 2 "
      "| mix, 1 | mix, 2 |\n|---|--:|--:|--:|--:|--:|--:|\n");
  for (const Row& row : rows) {
    std::printf("| %s |", row.name.c_str());
    for (const auto& kind : row.nanoseconds) {
      for (const double nanoseconds : kind) {
        nanoseconds == 0 ? std::printf(" |") : std::printf(" %.1f |", nanoseconds);
      }
    }
    std::printf("\n");
  }
  std::fflush(stdout);
}

bool print_bars(const std::vector<Bar>& bars, double disturbed) {
  std::printf(
      "\n### Bars\n\nOurs as a multiple of theirs: median and quartiles of the rounds. "
      "%.0f %% of the slices were interrupted every time.\n\n",
      100 * disturbed);
  std::printf("| | measured | quartiles | at most | |\n|---|--:|--:|--:|---|\n");
  bool all = true;
  for (const Bar& bar : bars) {
    std::printf("| %s | %.2f | %.2f to %.2f | %.1f | %s |\n", bar.text.c_str(), bar.measured.median,
                bar.measured.low, bar.measured.high, bar.limit,
                bar.holds() ? "holds" : "**fails**");
    all = all && bar.holds();
  }
  return all;
}

struct Settings {
  std::size_t rounds = 21;
  std::string only;
  bool check = false;
};

Settings settings_of(const std::vector<std::string>& words) {
  Settings settings;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool last = i + 1 == words.size();
    if (words[i] == "--check") {
      settings.check = true;
    } else if (words[i] == "--rounds" && !last) {
      settings.rounds = std::stoul(words[++i]);
    } else if (words[i] == "--only" && !last) {
      settings.only = words[++i];
    } else {
      throw std::invalid_argument("usage: speed [--check] [--rounds N] [--only TYPES]");
    }
  }
  return settings;
}

struct Outcome {
  std::vector<Bar> bars;
  double disturbed = 0;  // The sum over the contests.
  int contests = 0;
};

template <class Key, class Value>
void contest(const char* types, const Settings& settings, Outcome& outcome) {
  if (std::string(types).find(settings.only) == std::string::npos) return;
  Contest<Key, Value> contest(types);
  contest.run(settings.rounds);
  print_rows(types, contest.rows());
  outcome.bars.insert(outcome.bars.end(), contest.bars().begin(), contest.bars().end());
  outcome.disturbed += contest.disturbed();
  ++outcome.contests;
}

int run(const Settings& settings) {
  Outcome outcome;
  contest<Number, Number>("64-bit keys and values", settings, outcome);
  contest<std::string, Number>("text keys of 16 characters, 64-bit values", settings, outcome);
  contest<Number, Shared>("64-bit keys, shared_ptr values", settings, outcome);
  contest<std::string, Shared>("text keys of 16 characters, shared_ptr values", settings, outcome);
  const bool holds = print_bars(outcome.bars, outcome.disturbed / outcome.contests);
  return settings.check && !holds ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(settings_of({argv + 1, argv + argc}));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "speed: %s\n", error.what());
    return 2;
  }
}
