// SPDX-License-Identifier: MIT
// Results that age: `ttl`, `stale_for` and `refresh_ahead`.
//
// The clock is one that we move by hand, so that this needs no patience. Leave `.clock` out and
// the machine's own is used.
#include <chrono>
#include <cstdio>
#include <functional>
#include <future>
#include <stdexcept>
#include <string>

#include "dcache/dcache.hpp"

using namespace std::chrono_literals;

namespace {

// A price that rises with each request, at a stock exchange that is sometimes closed.
struct Exchange {
  int requests = 0;
  bool closed = false;

  int price(const std::string&) {
    if (closed) throw std::runtime_error("the exchange is closed");
    return 100 + ++requests;
  }
};

}  // namespace

int main() {
  dcache::ManualClock clock;
  Exchange exchange;
  const auto ask = [&](const std::string& stock) { return exchange.price(stock); };

  // Fresh for ten minutes. For an hour after that it is better than nothing.
  const auto quote =
      dcache::memoize("quote", ask, {.ttl = 10min, .stale_for = 1h, .clock = &clock});
  std::printf("first: %d\n", quote("ACME"));
  clock.advance(9min);
  std::printf("nine minutes later: %d\n", quote("ACME"));
  clock.advance(2min);
  std::printf("eleven minutes old, so anew: %d\n", quote("ACME"));

  exchange.closed = true;
  clock.advance(30min);
  std::printf("closed, and there is an old one: %d\n", quote("ACME"));
  clock.advance(1h);
  try {
    quote("ACME");
  } catch (const std::runtime_error& error) {
    std::printf("closed, and the old one is too old: %s\n", error.what());
  }
  exchange.closed = false;

  // Refreshed before it expires, by a thread in the background: whoever asks never waits.
  std::promise<void> refreshed;
  const auto ahead = dcache::memoize("ahead", ask,
                                     {.ttl = 10min,
                                      .refresh_ahead = 0.8,
                                      .on_background =
                                          [&](const std::function<void()>& run) {
                                            run();
                                            refreshed.set_value();
                                          },
                                      .clock = &clock});
  std::printf("first: %d\n", ahead("ACME"));
  clock.advance(8min);
  std::printf("eight of ten minutes old, still this one: %d\n", ahead("ACME"));
  refreshed.get_future().wait();
  std::printf("and there is a new one already: %d\n", ahead("ACME"));
}

// Prints:
// first: 101
// nine minutes later: 101
// eleven minutes old, so anew: 102
// closed, and there is an old one: 102
// closed, and the old one is too old: the exchange is closed
// first: 103
// eight of ten minutes old, still this one: 103
// and there is a new one already: 104
