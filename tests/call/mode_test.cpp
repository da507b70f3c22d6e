// SPDX-License-Identifier: MIT
// What the application says about all of its functions: modes, and far tiers that come later.
#include "dcache/mode.hpp"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "dcache/cache.hpp"
#include "dcache/engine/executor.hpp"
#include "dcache/error.hpp"
#include "support/folder.hpp"
#include "support/store.hpp"

namespace {

using namespace std::chrono_literals;
using dcache::Cache;
using dcache::configure;
using dcache::Mode;
using dcache::test::Folder;
using dcache::test::Store;

class Modes : public testing::Test {
 public:
  Modes(const Modes&) = delete;
  Modes& operator=(const Modes&) = delete;

 protected:
  Modes() { configure({.tiers = {"memory:"}, .mode = Mode::normal}); }
  ~Modes() override { configure({.tiers = {"memory:"}, .mode = Mode::normal}); }

  std::function<int(int)> body() {
    return [this](int n) {
      ++runs;
      return 10 * n + runs;
    };
  }

  int runs = 0;
};

// Death tests come first and in processes of their own, in which nobody has read the environment.
void exit_if(bool holds) { std::_Exit(holds ? 0 : 1); }

TEST(DcacheModeDeathTest, IsReadByTheFirstCall) {
  EXPECT_EXIT(
      {
        int runs = 0;
        const auto f = dcache::memoize([&](int n) { return n + ++runs; });
        setenv("DCACHE_MODE", "bypass", 1);
        exit_if(f(1) == 2 && f(1) == 3);
      },
      testing::ExitedWithCode(0), "");
}

TEST(DcacheModeDeathTest, KeepsVerbsFromFarTiersBeforeAnyCall) {
  EXPECT_EXIT(
      {
        setenv("DCACHE_MODE", "read-only", 1);
        const auto store = std::make_shared<Store>();
        const auto f = Cache({"memory:", store}).memoize("f", [](int n) { return n; });
        try {
          f.put(2, 1);
        } catch (const dcache::ModeError&) {
          exit_if(f(1) == 2 && store->kept().empty());
        }
        exit_if(false);
      },
      testing::ExitedWithCode(0), "");
}

TEST(DcacheModeDeathTest, IsRefusedIfItIsNoneByTheFirstCall) {
  EXPECT_EXIT(
      {
        setenv("DCACHE_MODE", "readonly", 1);
        const auto f = dcache::memoize([](int n) { return n; });
        try {
          f(1);
        } catch (const dcache::ConfigError& error) {
          exit_if(std::string(error.what()) ==
                  "dcache: DCACHE_MODE is \"readonly\"; expected one of normal, refresh, bypass, "
                  "read-only, offline");
        }
        exit_if(false);
      },
      testing::ExitedWithCode(0), "");
}

TEST(DcacheModeDeathTest, GivesWayToWhatConfigureSays) {
  EXPECT_EXIT(
      {
        setenv("DCACHE_MODE", "bypass", 1);
        configure({.mode = Mode::normal});
        int runs = 0;
        const auto f = dcache::memoize([&](int n) { return n + ++runs; });
        exit_if(f(1) == 2 && f(1) == 2);
      },
      testing::ExitedWithCode(0), "");
}

TEST_F(Modes, BypassCallsTheFunctionAndLeavesWhatIsThere) {
  const auto f = dcache::memoize(body());
  EXPECT_EQ(f(1), 11);
  configure({.mode = Mode::bypass});
  EXPECT_EQ(f(1), 12);
  EXPECT_EQ(f.map(std::vector{1, 2}), (std::vector{13, 24}));
  EXPECT_EQ(f.peek(1), 11);
  f.put(5, 2);  // Verbs act as usual.
  configure({.mode = Mode::normal});
  EXPECT_EQ(f(1), 11);
  EXPECT_EQ(f(2), 5);
  EXPECT_EQ(f.stats().misses, 4U);
  EXPECT_EQ(f.stats().hits, 2U);
}

TEST_F(Modes, RefreshReadsNoTierAndStoresInAll) {
  const auto store = std::make_shared<Store>();
  const auto f = Cache({"memory:", store}).memoize("f", body());
  EXPECT_EQ(f(1), 11);
  configure({.mode = Mode::refresh});
  EXPECT_EQ(f(1), 12);
  EXPECT_EQ(f.map(std::vector{1}), std::vector{13});
  configure({.mode = Mode::normal});
  EXPECT_EQ(f(1), 13);
  EXPECT_EQ(Cache({store}).memoize("f", body()).peek(1), 13);
  EXPECT_EQ(f.stats().misses, 3U);
  EXPECT_EQ(f.stats().hits, 1U);
}

TEST_F(Modes, RefreshComputesOnceForManyThreads) {
  std::atomic<int> ran{0};
  const auto f = dcache::memoize([&](int n) {
    ++ran;
    std::this_thread::sleep_for(300ms);
    return n;
  });
  configure({.mode = Mode::refresh});
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { EXPECT_EQ(f(1), 1); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_LT(ran, 4);
}

TEST_F(Modes, ReadOnlyWritesNothingFarAndSaysSoToWhoAsksForIt) {
  const auto store = std::make_shared<Store>();
  const auto f = Cache({"memory:", store}).memoize("f", body());
  Cache({store}).memoize("f", body())(1);
  const auto before = store->kept();
  configure({.mode = Mode::read_only});
  EXPECT_EQ(f(1), 11);  // Read.
  EXPECT_EQ(f(2), 22);
  EXPECT_EQ(f(2), 22);
  EXPECT_EQ(f.refresh(1), 13);
  EXPECT_THROW(f.put(7, 3), dcache::ModeError);
  EXPECT_EQ(f(3), 7);  // Near it was put.
  EXPECT_THROW(f.invalidate(1), dcache::ModeError);
  EXPECT_THROW(f.clear(), dcache::ModeError);
  EXPECT_EQ(f.stats().near.entries, 0U);
  EXPECT_EQ(store->kept(), before);
  EXPECT_EQ(f.map(std::vector{1, 2}), (std::vector{11, 24}));
  EXPECT_EQ(store->kept(), before);
}

TEST_F(Modes, OfflineLeavesFarTiersAlone) {
  const auto store = std::make_shared<Store>();
  const auto f = Cache({"memory:", store}).memoize("f", body());
  const auto alone = Cache({store}).memoize("f", body());
  configure({.mode = Mode::offline});
  EXPECT_EQ(f(1), 11);
  EXPECT_EQ(f(1), 11);
  EXPECT_EQ(f.peek(2), std::nullopt);
  EXPECT_EQ(f.map(std::vector{1, 2}), (std::vector{11, 22}));
  EXPECT_EQ(alone(1), 13);  // It has no memory.
  EXPECT_EQ(alone(1), 14);
  EXPECT_EQ(f.explain(1), "mode: offline\nmemory: there, fresh\n");
  try {
    f.invalidate(1);
    FAIL();
  } catch (const dcache::ModeError& error) {
    EXPECT_NE(std::string(error.what()).find("the mode is offline"), std::string::npos);
  }
  EXPECT_EQ(store->asked(), 0U);
}

TEST_F(Modes, OfflineBelievesWhatOthersMayHaveChanged) {
  dcache::ManualClock clock;
  const auto store = std::make_shared<Store>();
  const auto f =
      Cache({"memory:", store}, {.clock = &clock}).memoize("f", body(), {.clock = &clock});
  EXPECT_EQ(f(1), 11);
  configure({.mode = Mode::offline});
  const std::size_t asked = store->asked();
  clock.advance(1h);
  EXPECT_EQ(f(1), 11);
  EXPECT_EQ(f(1), 11);
  EXPECT_EQ(f.peek(1), 11);
  EXPECT_EQ(store->asked(), asked);
}

TEST_F(Modes, HoldForCallsThatAreAwaited) {
  const auto f = dcache::memoize(body());
  f(1);
  dcache::engine::Executor executor;
  configure({.mode = Mode::bypass});
  auto later = f.later(executor, 1);
  EXPECT_FALSE(later.await_ready());
}

TEST_F(Modes, DisabledIsBypassForTheThreadOfABlock) {
  const auto f = dcache::memoize(body());
  EXPECT_EQ(f(1), 11);
  {
    const dcache::Disabled block;
    EXPECT_EQ(f(1), 12);
    {
      const dcache::Disabled inner;
    }
    EXPECT_EQ(f(1), 13);
    std::thread([&] { EXPECT_EQ(f(1), 11); }).join();
  }
  EXPECT_EQ(f(1), 11);
}

TEST_F(Modes, ConfigureGivesFarTiersToFunctionsThatAreThereAlready) {
  const auto near = std::make_shared<Store>("near"), far = std::make_shared<Store>("far");
  const auto f = dcache::memoize("f", body());
  const auto unnamed = dcache::memoize(body());
  const auto own = Cache("memory:").memoize("own", body());
  EXPECT_EQ(f(1), 11);
  configure({.tiers = {near, far}});
  EXPECT_EQ(f(1), 11);  // Memory has it.
  EXPECT_EQ(f(2), 22);
  unnamed(3);
  own(3);
  EXPECT_EQ(near->kept().size(), 2U);  // A mark and a record.
  EXPECT_EQ(far->kept().size(), 2U);
  EXPECT_EQ(dcache::memoize("f", body())(2), 22);
  EXPECT_EQ(f.far_stats().size(), 2U);

  configure({.tiers = {"memory:"}});
  EXPECT_EQ(f(4), 45);
  EXPECT_TRUE(f.far_stats().empty());
  EXPECT_EQ(far->kept().size(), 2U);
}

TEST_F(Modes, ConfigureChangesNothingIfAnythingIsWrong) {
  const auto f = dcache::memoize("f", body());
  f(1);
  EXPECT_THROW(configure({.tiers = {"nowhere:"}, .mode = Mode::bypass}), dcache::ConfigError);
  EXPECT_EQ(f(1), 11);
  EXPECT_TRUE(f.far_stats().empty());
}

TEST_F(Modes, ConfigureWinsOverTheEnvironment) {
  const Folder folder;
  setenv("DCACHE_URL", ("file://" + (folder / "cache")).c_str(), 1);
  EXPECT_EQ(dcache::memoize("f", body())(1), 11);
  unsetenv("DCACHE_URL");
  EXPECT_FALSE(std::filesystem::exists(folder / "cache"));
}

// A flight keeps to the tiers that it began with.
TEST_F(Modes, ConfigureInTheMiddleOfACallConcernsTheNext) {
  const auto first = std::make_shared<Store>("first"), second = std::make_shared<Store>("second");
  configure({.tiers = {first}});
  const auto f = dcache::memoize("f", [&](int n) {
    if (n == 1) configure({.tiers = {second}});
    return n;
  });
  f(1);
  EXPECT_EQ(first->kept().size(), 2U);
  EXPECT_TRUE(second->kept().empty());
  f(2);
  EXPECT_EQ(second->kept().size(), 2U);
}

TEST_F(Modes, ConfigureWhileOthersCall) {
  const auto one = std::make_shared<Store>("one"), other = std::make_shared<Store>("other");
  const auto f = dcache::memoize("f", [](int n) { return 2 * n; });
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 3; ++thread) {
    threads.emplace_back([&, thread] {
      for (int n = 0; !done; ++n) EXPECT_EQ(f(3 * n + thread), 2 * (3 * n + thread));
    });
  }
  for (int i = 0; i < 200; ++i) {
    configure({.tiers = {i % 2 == 0 ? one : other}, .mode = static_cast<Mode>(i % 5)});
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
