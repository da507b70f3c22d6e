// SPDX-License-Identifier: MIT
// Many threads, few keys, everything at once, by seed. What must hold whatever the order:
// - never two attached runners of one key at a time,
// - nobody waits for ever (the test ends, and every callback was told exactly once),
// - neither table nor answer ever has a value from before an invalidation that had ended.
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "dcache/engine/coalesce.hpp"

namespace dcache::engine {
namespace {

using Registry = Flights<int, std::uint64_t>;

constexpr int keys = 5;

// No takeover covers up for a waiter that was not told or a cycle that was not found.
const FlightLimits limits{.flight_timeout = std::chrono::hours(24)};

// The source of truth of one key, and its place in a table.
struct Origin {
  std::atomic<std::uint64_t> version{1};
  std::atomic<std::uint64_t> floor{0};     // No invalidation that ended was of a later version.
  std::atomic<std::uint64_t> detaches{2};  // Odd while one is under way.
  std::mutex writing;                      // Writers of one key take turns.

  std::mutex mutex;
  std::optional<std::uint64_t> stored;  // Guarded by mutex.
  std::vector<std::uint64_t> running;   // Guarded by mutex: `detaches` as each runner began.
};

class World {
 public:
  void check(bool good, const char* what) {
    if (!good && wrong_.fetch_add(1) < 3) ADD_FAILURE() << what;
  }
  int wrong() const { return wrong_; }

  std::uint64_t begin_body(Origin& origin) {
    const std::scoped_lock held(origin.mutex);
    const std::uint64_t detaches = origin.detaches;
    // Led, but detached before the body began: others may run beside it.
    bool detached = false;
    Context::capture().each([&](const Flight& flight) { detached |= flight.detached(); });
    if (detached) return 0;
    for (const std::uint64_t other : origin.running) {
      check(other != detaches || detaches % 2 == 1, "two attached runners");
    }
    origin.running.push_back(detaches);
    return detaches;
  }
  static void end_body(Origin& origin, std::uint64_t detaches) {
    const std::scoped_lock held(origin.mutex);
    std::erase(origin.running, detaches);
  }

  // The body as the leader runs it: reads the origin, takes a moment, is cancelled at times.
  std::uint64_t body(Origin& origin, std::mt19937_64& random) {
    const std::uint64_t mine = begin_body(origin);
    const std::uint64_t version = origin.version;
    for (auto spins = random() % 4; spins > 0; --spins) std::this_thread::yield();
    end_body(origin, mine);
    if (random() % 8 == 0) throw Abandon{std::make_exception_ptr(1)};
    return version;
  }
  static void commit(Origin& origin, std::uint64_t value, const std::atomic<bool>& detached) {
    const std::scoped_lock held(origin.mutex);
    if (!detached) origin.stored = value;
  }
  std::optional<std::uint64_t> look_up(Origin& origin) {
    const std::uint64_t floor = origin.floor;
    const std::scoped_lock held(origin.mutex);
    if (origin.stored) check(*origin.stored >= floor, "stale in the table");
    return origin.stored;
  }

  // Something changed at the origin, and somebody says so.
  void write(std::uint64_t hash, int key, bool put) {
    Origin& origin = origins[static_cast<std::size_t>(key)];
    const std::scoped_lock turn(origin.writing);
    const std::uint64_t version = ++origin.version;
    ++origin.detaches;
    flights.invalidate(hash, key, [&] {
      const std::scoped_lock held(origin.mutex);
      origin.stored = put ? std::optional(version) : std::nullopt;
    });
    ++origin.detaches;
    origin.floor = version;
  }

  std::array<Origin, keys> origins;
  Registry flights;

 private:
  std::atomic<int> wrong_{0};
};

// A caller that cannot block: told, it notes so; promoted, it passes on or runs the body.
class Callback final : public Waiter {
 public:
  explicit Callback(bool cancelled) : cancelled_(cancelled) {}
  void landed() noexcept override { told.fetch_add(1); }
  bool lead() noexcept override {
    const bool leads = !cancelled_;
    promoted.store(leads);
    told.fetch_add(1);  // The last touch: its owner may go on from here.
    return leads;
  }
  std::atomic<int> told{0};
  std::atomic<bool> promoted{false};

 private:
  const bool cancelled_;
};

class Actor {
 public:
  Actor(World& world, std::uint64_t seed) : world_(world), random_(seed) {}

  void run(int steps) {
    for (int step = 0; step < steps; ++step) {
      const int key = static_cast<int>(random_() % keys);
      switch (random_() % 12) {
        case 0:
          world_.write(hash_of(key), key, false);
          break;
        case 1:
          world_.write(hash_of(key), key, true);
          break;
        case 2:
          wait_by_callback(key);
          break;
        case 3:
          refresh(key);
          break;
        default:
          call(key);
          break;
      }
    }
  }

 private:
  // All keys have one hash in half of the cases: chains and equality are in play as well.
  static std::uint64_t hash_of(int key) {
    return key % 2 == 0 ? 0 : static_cast<std::uint64_t>(key);
  }
  Origin& origin(int key) { return world_.origins[static_cast<std::size_t>(key)]; }

  template <class Use>
  void with(int key, bool recheck, Use use) {
    Origin& from = origin(key);
    const FlightCall call{
        hash_of(key),
        key,
        [key] { return key; },
        [&](const auto&) { return recheck ? world_.look_up(from) : std::nullopt; },
        [&] { return world_.body(from, random_); },
        [&](std::uint64_t value, const auto& detached) { World::commit(from, value, detached); }};
    const std::uint64_t floor = from.floor;
    const auto answer = use(call);
    if (answer.value() != nullptr) world_.check(*answer.value() >= floor, "stale answer");
    world_.check(answer.value() != nullptr || answer.error() != nullptr, "no outcome");
  }
  void call(int key) {
    if (world_.look_up(origin(key))) return;
    with(key, true, [&](const auto& call) { return coalesce(world_.flights, call, limits); });
  }
  void refresh(int key) {
    const std::scoped_lock turn(origin(key).writing);
    // It detaches inside: an odd count for all of it, so runners meanwhile prove nothing.
    ++origin(key).detaches;
    with(key, false,
         [&](const auto& call) { return refresh_flight(world_.flights, call, limits); });
    ++origin(key).detaches;
  }
  void wait_by_callback(int key) {
    auto joined = world_.flights.join(
        hash_of(key), key, [key] { return key; }, std::chrono::steady_clock::now());
    if (joined.leader) return finish(key, joined.flight);
    Callback waiter(random_() % 3 == 0);
    if (joined.flight->enlist(waiter) != Joining::waiting) return;
    if (random_() % 3 == 0 && joined.flight->leave(waiter)) {
      world_.check(waiter.told == 0, "told though it had left");
      return;
    }
    while (waiter.told == 0) std::this_thread::yield();
    world_.check(!joined.flight->leave(waiter), "left though it was told");
    if (waiter.promoted) finish(key, joined.flight);
    world_.check(waiter.told == 1, "told twice");
  }
  void finish(int key, Ref<Registry::Flown> flight) {
    with(key, true, [&](const auto& call) {
      return lead_flight(Leadership<Registry>(world_.flights, std::move(flight)), call, limits);
    });
  }

  World& world_;
  std::mt19937_64 random_;
};

void run_world(std::uint64_t seed, int threads, int steps) {
  World world;
  std::vector<std::thread> crowd;
  crowd.reserve(static_cast<std::size_t>(threads));
  for (int i = 0; i < threads; ++i) {
    crowd.emplace_back([&world, seed, i, steps] {
      Actor(world, seed * 1000 + static_cast<std::uint64_t>(i)).run(steps);
    });
  }
  for (auto& thread : crowd) thread.join();
  EXPECT_EQ(world.wrong(), 0) << "seed " << seed;
  EXPECT_EQ(world.flights.size(), 0U) << "seed " << seed;
}

TEST(FlightStress, NothingStaleNothingTwiceNobodyLost) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) run_world(seed, 8, 3000);
}

// Bodies that call the function for other keys, in all directions, from many threads.
TEST(FlightStress, NestedCallsInAllDirectionsAlwaysEnd) {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    Registry flights;
    std::atomic<int> answers{0};
    constexpr int threads = 8, rounds = 200;
    const std::function<std::uint64_t(int, int, std::mt19937_64&)> call =
        [&](int key, int depth, std::mt19937_64& random) -> std::uint64_t {
      const FlightCall flight_call{static_cast<std::uint64_t>(key),
                                   key,
                                   [key] { return key; },
                                   [](const auto&) { return std::optional<std::uint64_t>(); },
                                   [&]() -> std::uint64_t {
                                     std::this_thread::yield();
                                     if (depth == 0) return 1;
                                     return 1 + call(static_cast<int>(random() % keys), depth - 1,
                                                     random);
                                   },
                                   [](std::uint64_t, const auto&) {}};
      return coalesce(flights, flight_call, limits).take();
    };
    std::vector<std::thread> crowd;
    crowd.reserve(static_cast<std::size_t>(threads));
    for (int i = 0; i < threads; ++i) {
      crowd.emplace_back([&, i] {
        std::mt19937_64 random(seed * 100 + static_cast<std::uint64_t>(i));
        for (int round = 0; round < rounds; ++round) {
          call(static_cast<int>(random() % keys), 4, random);
          ++answers;
        }
      });
    }
    for (auto& thread : crowd) thread.join();
    EXPECT_EQ(answers, threads * rounds);
    EXPECT_EQ(flights.size(), 0U);
  }
}

}  // namespace
}  // namespace dcache::engine
