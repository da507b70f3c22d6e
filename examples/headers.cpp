// SPDX-License-Identifier: MIT
// The demo: an honest slow function over real input, without a cache, with one, and once more.
//
//   headers [CALLS]
//
// Each call asks of one header under /usr/include what including it brings along: how many headers,
// how much code. To answer, it parses the header and everything that it includes. Some headers are
// asked about far more often than others, as in life, and nearly all of them include the same few.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <mutex>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "dcache/dcache.hpp"

#include "headers_progress.hpp"
#include "headers_survey.hpp"

namespace headers {
namespace {

constexpr long calls_default = 3'000;
constexpr unsigned threads = 4;

/// What one pass over all calls came to.
struct Pass {
  const char* title;
  std::vector<Survey> answers;
  std::chrono::nanoseconds time{0};
  std::size_t bodies = 0;  ///< Calls that had to work.
  std::size_t parsed = 0;  ///< Headers that were parsed for them.
};

using Ask = std::function<Survey(const std::string& path)>;

/// The same calls every time: seeded, the popular ones often.
std::vector<std::string> choose_calls(std::vector<std::string> headers, std::size_t count) {
  std::mt19937_64 random(2024);
  std::shuffle(headers.begin(), headers.end(), random);
  std::uniform_real_distribution<double> uniform(0, 1);
  std::vector<std::string> calls(count);
  for (std::string& call : calls) {
    const double place = std::pow(uniform(random), 2.5) * static_cast<double>(headers.size());
    call = headers[static_cast<std::size_t>(place)];
  }
  return calls;
}

/// Makes all calls, on several threads, and draws a bar meanwhile.
Pass run(const char* title, const std::vector<std::string>& calls, const Ask& ask) {
  constexpr auto redraw_every = std::chrono::milliseconds(100);
  Pass pass{.title = title, .answers = std::vector<Survey>(calls.size())};
  std::atomic<std::size_t> next{0};
  std::size_t done = 0;  // Guarded by the mutex.
  std::mutex mutex;
  std::condition_variable all_done;
  const auto begun = std::chrono::steady_clock::now();
  const auto elapsed = [&] { return std::chrono::steady_clock::now() - begun; };

  std::vector<std::jthread> workers;
  workers.reserve(threads);
  for (unsigned worker = 0; worker < threads; ++worker) {
    workers.emplace_back([&] {
      for (std::size_t at = next++; at < calls.size(); at = next++) {
        pass.answers[at] = ask(calls[at]);
        const std::scoped_lock held(mutex);
        if (++done == calls.size()) {
          pass.time = elapsed();
          all_done.notify_one();
        }
      }
    });
  }

  Progress progress(title, calls.size());
  std::unique_lock held(mutex);
  while (!all_done.wait_for(held, redraw_every, [&] { return done == calls.size(); })) {
    progress.show(done, elapsed());
  }
  progress.finish(pass.time);
  return pass;
}

Pass run_plain(const SearchPath& search, const std::vector<std::string>& calls) {
  std::atomic<std::size_t> parsed{0};
  const Summarise parse = [&](const std::string& path) {
    ++parsed;
    return summarise(search, path);
  };
  Pass pass = run("without dcache", calls, [&](const auto& path) { return survey(path, parse); });
  pass.bodies = calls.size();
  pass.parsed = parsed;
  return pass;
}

/// Twice: nothing is known the first time, everything the second.
std::vector<Pass> run_memoized(const SearchPath& search, const std::vector<std::string>& calls) {
  const auto parse = dcache::memoize(
      "summarise", [&](const std::string& path) { return summarise(search, path); });
  const auto ask =
      dcache::memoize("survey", [&](const std::string& path) { return survey(path, parse); });

  std::vector<Pass> passes;
  for (const char* title : {"dcache, first time", "dcache, once more"}) {
    const auto bodies_before = ask.stats().misses;
    const auto parsed_before = parse.stats().misses;
    passes.push_back(run(title, calls, ask));
    passes.back().bodies = ask.stats().misses - bodies_before;
    passes.back().parsed = parse.stats().misses - parsed_before;
  }
  return passes;
}

void print_table(const std::vector<Pass>& passes) {
  constexpr const char* row = "  %-18s %8s %8s %8s %10s %9s %9s\n";
  std::printf("\n");
  std::printf(row, "", "", "bodies", "", "headers", "", "time");
  std::printf(row, "", "calls", "run", "hits", "parsed", "time", "saved");
  std::string rule;
  for (int column = 0; column < 76; ++column) rule += has_utf8() ? "─" : "-";
  std::printf("  %s\n", rule.c_str());
  for (const Pass& pass : passes) {
    const std::size_t calls = pass.answers.size();
    const auto saved = passes.front().time - pass.time;
    std::printf(row, pass.title, grouped(calls).c_str(), grouped(pass.bodies).c_str(),
                grouped(calls - pass.bodies).c_str(), grouped(pass.parsed).c_str(),
                time_text(pass.time).c_str(), saved.count() > 0 ? time_text(saved).c_str() : "-");
  }
}

/// The answer of most consequence, as a sentence.
void print_finding(const std::vector<std::string>& calls, const std::vector<Survey>& answers) {
  const auto largest = std::max_element(
      answers.begin(), answers.end(),
      [](const Survey& a, const Survey& b) { return a.code_lines < b.code_lines; });
  const std::string& header = calls[static_cast<std::size_t>(largest - answers.begin())];
  std::printf(
      "  The most expensive: %s,\n  which brings along %s headers with %s lines of code.\n\n",
      header.c_str(), grouped(largest->headers).c_str(), grouped(largest->code_lines).c_str());
}

int demo(std::size_t count) {
  const SearchPath search("/usr/include");
  const auto headers = search.well_known();
  if (headers.empty()) throw std::runtime_error("there are no headers under /usr/include");
  const auto calls = choose_calls(headers, count);

  std::printf(
      "\n  What does an #include cost? %s calls about the %s headers of this\n"
      "  machine that people include, on %u threads. Each call parses a header and\n"
      "  everything that it includes, and counts what is in them.\n\n",
      grouped(count).c_str(), grouped(headers.size()).c_str(), threads);
  std::vector<Pass> passes{run_plain(search, calls)};
  for (Pass& pass : run_memoized(search, calls)) passes.push_back(std::move(pass));
  print_table(passes);

  const bool same = std::all_of(passes.begin(), passes.end(), [&](const Pass& pass) {
    return pass.answers == passes.front().answers;
  });
  std::printf("\n  %s\n", same ? "All answers are the same with and without dcache."
                               : "ERROR: the answers differ with and without dcache!");
  print_finding(calls, passes.front().answers);
  return same ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace
}  // namespace headers

int main(int argc, char** argv) {
  try {
    const long calls = argc > 1 ? std::atol(argv[1]) : headers::calls_default;
    if (argc > 2 || calls <= 0) throw std::invalid_argument("usage: headers [CALLS]");
    return headers::demo(static_cast<std::size_t>(calls));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "headers: %s\n", error.what());
    return EXIT_FAILURE;
  }
}
