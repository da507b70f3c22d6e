// SPDX-License-Identifier: MIT
// A Cache over files: what one process, program or object stored, another finds.
#include "dcache/cache.hpp"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "dcache/backends/file.hpp"
#include "dcache/error.hpp"
#include "support/child.hpp"
#include "support/folder.hpp"

namespace {

using namespace std::chrono_literals;
using dcache::Cache;
using dcache::test::Folder;

std::string url(const Folder& folder) { return "file://" + folder.path() + "/cache"; }

// A function that counts its runs.
struct Counted {
  std::shared_ptr<std::atomic<int>> runs = std::make_shared<std::atomic<int>>(0);
  auto body() const {
    return [runs = runs](int n) {
      ++*runs;
      return std::to_string(n);
    };
  }
  int count() const { return *runs; }
};

TEST(Cache, FindsWhatAnotherObjectStored) {
  const Folder folder;
  const Counted first, second;
  const auto one = Cache(url(folder)).memoize("text", first.body());
  const auto other = Cache(url(folder)).memoize("text", second.body());
  EXPECT_EQ(one(1), "1");
  EXPECT_EQ(other(1), "1");
  EXPECT_EQ(first.count(), 1);
  EXPECT_EQ(second.count(), 0);
}

TEST(Cache, AsksAFarTierThatIsAloneInEachCall) {
  const Folder folder;
  const Counted counted;
  const auto f = Cache(url(folder)).memoize("text", counted.body());
  f(1);
  f(1);
  f(1);
  EXPECT_EQ(counted.count(), 1);
  ASSERT_EQ(f.far_stats().size(), 1U);
  EXPECT_EQ(f.far_stats()[0].hits, 2U);
  EXPECT_EQ(f.stats().near.entries, 0U);
}

TEST(Cache, KeepsNearWhatItFoundFar) {
  const Folder folder;
  Cache(url(folder)).memoize("text", Counted().body())(1);
  const Counted counted;
  const auto f = Cache({"memory:", url(folder)}).memoize("text", counted.body());
  f(1);
  f(1);
  f(1);
  EXPECT_EQ(counted.count(), 0);
  EXPECT_EQ(f.far_stats()[0].hits, 1U);
  EXPECT_EQ(f.stats().near.entries, 1U);
}

TEST(Cache, FillsEachNearerTierWithWhatAFartherOneHas) {
  const Folder near, middle, far;
  Cache(url(far)).memoize("text", Counted().body())(7);
  const Counted counted;
  const auto f =
      Cache({"memory:", url(near), url(middle), url(far)}).memoize("text", counted.body());
  EXPECT_EQ(f(7), "7");
  const auto g = Cache(url(near)).memoize("text", counted.body());
  const auto h = Cache(url(middle)).memoize("text", counted.body());
  EXPECT_EQ(g(7), "7");
  EXPECT_EQ(h(7), "7");
  EXPECT_EQ(counted.count(), 0);
}

TEST(Cache, StoresInEveryTierWhatItComputed) {
  const Folder near, far;
  Cache({"memory:", url(near), url(far)}).memoize("text", Counted().body())(7);
  const Counted counted;
  Cache(url(near)).memoize("text", counted.body())(7);
  Cache(url(far)).memoize("text", counted.body())(7);
  EXPECT_EQ(counted.count(), 0);
}

TEST(Cache, NeverMixesFunctionsVersionsNamespacesAndArguments) {
  const Folder folder;
  const Counted counted;
  const Cache cache(url(folder));
  cache.memoize("one", counted.body())(1);
  cache.memoize("two", counted.body())(1);
  cache.memoize("one", counted.body(), {}, "2")(1);
  cache.memoize("one", counted.body())(2);
  Cache(url(folder), {.space = "shop"}).memoize("one", counted.body())(1);
  EXPECT_EQ(counted.count(), 5);
}

TEST(Cache, ForgetsInvalidatedCallsEverywhere) {
  const Folder near, far;
  const Counted counted;
  const auto f = Cache({"memory:", url(near), url(far)}).memoize("text", counted.body());
  f(1);
  EXPECT_TRUE(f.invalidate(1));
  EXPECT_EQ(f.peek(1), std::nullopt);
  f(1);
  EXPECT_EQ(counted.count(), 2);
}

TEST(Cache, ClearsAFunctionForEverybodyByAMark) {
  const Folder folder;
  const Counted counted;
  const Cache cache(url(folder));
  const auto f = cache.memoize("f", counted.body());
  const auto g = cache.memoize("g", counted.body());
  f(1);
  g(1);
  f.clear();
  EXPECT_EQ(Cache(url(folder)).memoize("f", counted.body()).peek(1), std::nullopt);
  EXPECT_EQ(g.peek(1), "1");
  f(1);
  EXPECT_EQ(counted.count(), 3);
  EXPECT_EQ(f.peek(1), "1");
}

TEST(Cache, PeeksAndPutsAcrossTheChain) {
  const Folder folder;
  const Counted counted;
  const auto f = Cache({"memory:", url(folder)}).memoize("f", counted.body());
  EXPECT_EQ(f.peek(1), std::nullopt);
  EXPECT_TRUE(f.put("mine", 1));
  EXPECT_EQ(f.peek(1), "mine");
  EXPECT_EQ(Cache(url(folder)).memoize("f", counted.body())(1), "mine");
  EXPECT_EQ(f.refresh(1), "1");
  EXPECT_EQ(Cache(url(folder)).memoize("f", counted.body())(1), "1");
  EXPECT_EQ(counted.count(), 1);
}

TEST(Cache, StoresNothingOfWhatWasInvalidatedWhileItRan) {
  const Folder folder;
  const Cache cache({"memory:", url(folder)});
  const auto self = std::make_shared<std::optional<dcache::Memoized<int(int)>>>();
  const auto runs = std::make_shared<int>(0);
  *self = cache.memoize("f", [self, runs](int n) {
    if (++*runs == 1) (*self)->invalidate(n);
    return *runs;
  });
  EXPECT_EQ((**self)(1), 1);
  EXPECT_EQ((*self)->peek(1), std::nullopt);
  EXPECT_EQ((**self)(1), 2);
  EXPECT_EQ((*self)->peek(1), 2);
  self->reset();
}

TEST(Cache, LetsAnInvalidationElsewhereBeatABodyThatRunsHere) {
  const Folder folder;
  const auto other = Cache(url(folder)).memoize("f", [](int) { return 0; });
  const auto f = Cache({"memory:", url(folder)}).memoize("f", [&](int n) {
    other.invalidate(n);  // In another process, as far as the files know.
    return 1;
  });
  EXPECT_EQ(f(5), 1);
  EXPECT_EQ(f.peek(5), std::nullopt);
  EXPECT_EQ(other.peek(5), std::nullopt);
  EXPECT_EQ(f.far_stats()[0].refused_stores, 1U);
}

TEST(Cache, GivesStaleResultsOnlyWhenNoneCanBeHad) {
  const Folder folder;
  dcache::ManualClock clock;
  const auto fails = std::make_shared<bool>(false);
  const auto body = [fails](int n) {
    if (*fails) throw std::runtime_error("down");
    return n;
  };
  const dcache::CacheOptions options{.clock = &clock};
  const dcache::MemoizeOptions<int> times{.ttl = 10s, .stale_for = 1h, .clock = &clock};
  Cache({"memory:", url(folder)}, options).memoize("f", body, times)(1);
  clock.advance(11s);
  *fails = true;
  const auto f = Cache({"memory:", url(folder)}, options).memoize("f", body, times);
  EXPECT_EQ(f.peek(1), std::nullopt);
  EXPECT_EQ(f(1), 1);
  EXPECT_EQ(f.stats().stale, 1U);
  EXPECT_EQ(Cache(url(folder), options).memoize("f", body, times)(1), 1);
  clock.advance(1h);
  EXPECT_THROW(f(1), std::runtime_error);
}

TEST(Cache, ServesAStaleResultAtOnceWithWaitAlsoOfAFarTierAlone) {
  const Folder folder;
  dcache::ManualClock clock;
  std::atomic<int> runs{0};
  const auto body = [&runs](int) { return ++runs; };
  const dcache::CacheOptions options{.clock = &clock};
  for (const auto& tiers :
       {std::vector<dcache::CacheTier>{"memory:", url(folder)}, {url(folder)}}) {
    const auto f =
        Cache(tiers, options)
            .memoize("f", body, {.ttl = 10s, .stale_for = 1h, .wait = 0s, .clock = &clock});
    const int before = f(1);
    clock.advance(11s);
    EXPECT_EQ(f(1), before);
    for (int tries = 0; tries < 2000 && f(1) == before; ++tries) std::this_thread::sleep_for(5ms);
    EXPECT_EQ(f(1), before + 1);
  }
}

TEST(Cache, NeverExtendsALifeByBackFilling) {
  const Folder folder;
  dcache::ManualClock clock;
  const dcache::CacheOptions options{.near_ttl = 1h, .clock = &clock};
  const Counted counted;
  Cache(url(folder), options).memoize("f", counted.body(), {.ttl = 10s, .clock = &clock})(1);
  clock.advance(9s);
  const auto f = Cache({"memory:", url(folder)}, options)
                     .memoize("f", counted.body(), {.ttl = 10s, .clock = &clock});
  f(1);
  EXPECT_EQ(counted.count(), 1);
  clock.advance(2s);
  f(1);
  EXPECT_EQ(counted.count(), 2);
}

TEST(Cache, AsksAgainAfterNearTtlWhetherOthersHaveChangedIt) {
  const Folder folder;
  dcache::ManualClock clock;
  const auto f = Cache({"memory:", url(folder)}, {.near_ttl = 5s})
                     .memoize("f", [](int) { return 1; }, {.clock = &clock});
  const auto other = Cache(url(folder)).memoize("f", [](int) { return 2; });
  EXPECT_EQ(f(0), 1);
  other.put(3, 0);
  EXPECT_EQ(f(0), 1);
  clock.advance(5s);
  EXPECT_EQ(f(0), 3);
}

TEST(Cache, ComputesWhereFilesCannotBeHad) {
  const Counted counted;
  std::vector<std::string> told;
  dcache::CacheOptions options;
  options.on_trouble = [&](const std::string&, const std::string& why) { told.push_back(why); };
  const auto f =
      Cache({"memory:", "file:///proc/none/cache"}, options).memoize("f", counted.body());
  EXPECT_EQ(f(1), "1");
  EXPECT_EQ(f(1), "1");
  EXPECT_EQ(counted.count(), 1);
  EXPECT_EQ(told.size(), 1U);
  EXPECT_THROW(f.invalidate(1), dcache::InvalidationError);
  EXPECT_THROW(f.clear(), dcache::InvalidationError);
  EXPECT_THROW(f.put("x", 2), dcache::TierError);
  EXPECT_EQ(f(2), "x");  // Near it was put.
}

TEST(Cache, RefusesWhatCanNeverWork) {
  using dcache::ConfigError;
  EXPECT_THROW(Cache("/var/cache/app"), ConfigError);
  EXPECT_THROW(Cache("nowhere:"), ConfigError);
  EXPECT_THROW(Cache("file:"), ConfigError);
  EXPECT_THROW(Cache("file:///x?max_bytes=lots"), ConfigError);
  EXPECT_THROW(Cache("file:///x?bytes=1"), ConfigError);
  EXPECT_THROW(Cache("file://x/y"), ConfigError);
  EXPECT_THROW(Cache(std::vector<dcache::CacheTier>()), ConfigError);
  EXPECT_THROW(Cache({"file:///x", "memory:"}), ConfigError);
  EXPECT_THROW(Cache("file:///x", {.space = "a b"}), ConfigError);
  EXPECT_THROW(Cache("file:///x", {.secret = "short"}), ConfigError);
  EXPECT_THROW(Cache({std::shared_ptr<dcache::engine::Backend>()}), ConfigError);
  EXPECT_THROW(Cache("memory:?max_bytes=1GB"), ConfigError);
  EXPECT_THROW(dcache::configure({.tiers = {"memory:?max_bytes=1GB"}}), ConfigError);
  EXPECT_THROW(Cache("memory:file").memoize("", [](int n) { return n; }), ConfigError);
}

int halved(int n) { return n / 2; }
int negated(int n) { return -n; }

TEST(Cache, RefusesTwoFunctionsOfOneName) {
  const Folder folder;
  const Cache cache(url(folder));
  const auto first = [](int n) { return n; };
  {
    const auto f = cache.memoize("f", first);
    const auto again = cache.memoize("f", first);
    EXPECT_EQ(f(1), again(1));
    const auto other = [](int n) { return n + 1; };
    EXPECT_THROW(cache.memoize("f", other), dcache::ConfigError);
    EXPECT_THROW(Cache(cache).memoize("f", other), dcache::ConfigError);  // Copies share it.
    EXPECT_EQ(cache.memoize("f", other, {}, "2")(1), 2);
  }
  // The other one is gone.
  const auto half = cache.memoize("f", halved);
  EXPECT_THROW(cache.memoize("f", negated), dcache::ConfigError);
  EXPECT_EQ(cache.memoize("f", halved)(8), half(8));
}

TEST(Cache, TakesNoRecordThatSomebodyElseSigned) {
  const Folder folder;
  const Counted counted;
  const auto with = [&](const std::string& secret) {
    dcache::CacheOptions options;
    options.secret = secret;
    return Cache(url(folder), options).memoize("f", counted.body());
  };
  with("0123456789abcdef")(1);
  with("0123456789abcdef")(1);
  EXPECT_EQ(counted.count(), 1);
  const auto other = with("fedcba9876543210");
  other(1);
  EXPECT_EQ(counted.count(), 2);
  const auto fault = static_cast<std::size_t>(dcache::engine::RecordFault::badly_signed);
  EXPECT_GE(other.far_stats()[0].faults[fault], 1U);
}

TEST(Cache, ForgetsFarAsWellWhenWhatWasPutOrRefreshedIsNotToBeKept) {
  const Folder folder;
  int result = 1;
  const auto f = Cache({"memory:", url(folder)})
                     .memoize("f", [&](int) { return result; },
                              {.cache_if = [](const int& n) { return n > 0; }});
  const auto other = Cache(url(folder)).memoize("f", [](int) { return 0; });
  f(1);
  EXPECT_EQ(other.peek(1), 1);
  EXPECT_FALSE(f.put(-1, 1));
  EXPECT_EQ(other.peek(1), std::nullopt);
  f(1);
  result = -1;
  EXPECT_EQ(f.refresh(1), -1);
  EXPECT_EQ(other.peek(1), std::nullopt);
  EXPECT_EQ(f.peek(1), std::nullopt);
}

TEST(Cache, SaysWhatEachTierSays) {
  const Folder folder;
  const auto f = Cache({"memory:", url(folder)}).memoize("f", [](int n) { return n; });
  EXPECT_NE(f.explain(1).find("memory: not there"), std::string::npos);
  f(1);
  EXPECT_NE(f.explain(1).find("memory: there, fresh"), std::string::npos);
  EXPECT_NE(f.explain(1).find("/cache: hit, without end ("), std::string::npos) << f.explain(1);
}

struct Opaque {
  int n = 0;
  explicit Opaque(int number) : n(number) {}
};

TEST(Cache, IsBehindEveryNamedFunctionUnderDcacheUrl) {
  const Folder folder;
  setenv("DCACHE_URL", url(folder).c_str(), 1);
  const Counted counted;
  dcache::memoize("text", counted.body())(1);
  const auto again = dcache::memoize("text", counted.body());
  EXPECT_EQ(again(1), "1");
  EXPECT_EQ(again(1), "1");
  EXPECT_EQ(again.far_stats().size(), 1U);
  EXPECT_EQ(counted.count(), 1);
  const auto unnamed = dcache::memoize(counted.body());
  unnamed(1);
  EXPECT_EQ(counted.count(), 2);
  testing::internal::CaptureStderr();
  const auto near = dcache::memoize("opaque", [](int n) { return Opaque(n); });
  EXPECT_EQ(near(1).n, 1);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("\"opaque\" stay in this process"),
            std::string::npos);
  const auto bad = dcache::memoize("text", counted.body());
  for (const char* const wrong : {"nowhere:", "memory:?max=3"}) {
    setenv("DCACHE_URL", wrong, 1);
    try {
      bad(1);
      ADD_FAILURE() << wrong;
    } catch (const dcache::ConfigError& error) {
      EXPECT_EQ(std::string_view(error.what()).substr(0, 20), "dcache: DCACHE_URL: ");
    }
    EXPECT_THROW(bad.invalidate(1), dcache::ConfigError);
  }
  setenv("DCACHE_URL", url(folder).c_str(), 1);
  setenv("DCACHE_NAMESPACE", "a b", 1);
  try {
    bad(1);
    ADD_FAILURE() << "this is no namespace";
  } catch (const dcache::ConfigError& error) {
    EXPECT_EQ(std::string_view(error.what()).substr(0, 26), "dcache: DCACHE_NAMESPACE: ");
  }
  unsetenv("DCACHE_NAMESPACE");
  unsetenv("DCACHE_URL");
  EXPECT_TRUE(dcache::memoize("text", counted.body()).far_stats().empty());
}

struct Moody {
  int n = 0;
};

}  // namespace

template <>
struct dcache::Codec<Moody> {
  static void encode(Encoder& out, const Moody& moody) {
    if (moody.n < 0) throw std::runtime_error("not in the mood");
    out.integer(moody.n);
  }
  static bool decode(Decoder& in, Moody& moody) {
    std::int64_t number = 0;
    if (!in.integer(number)) return false;
    if (number > 100) throw std::runtime_error("not in the mood");
    moody.n = static_cast<int>(number);
    return true;
  }
};

namespace {

TEST(Cache, TakesACodecThatThrowsForAMissAndForAResultThatStaysNear) {
  const Folder folder;
  const Cache cache({"memory:", url(folder)});
  int runs = 0;
  const auto f = cache.memoize("moody", [&](int n) {
    ++runs;
    return Moody{n};
  });
  EXPECT_EQ(f(-1).n, -1);
  EXPECT_EQ(f(-1).n, -1);
  EXPECT_EQ(f(200).n, 200);
  EXPECT_EQ(Cache(url(folder)).memoize("moody", [&](int n) { return Moody{n}; })(200).n, 200);
  EXPECT_EQ(runs, 2);
  EXPECT_THROW(f.put(Moody{-5}, 1), std::runtime_error);
  EXPECT_EQ(f(1).n, -5);  // Near it was put.
}

TEST(Cache, RunsOneBodyForManyThreadsOverManyObjects) {
  const Folder folder;
  const auto runs = std::make_shared<std::atomic<int>>(0);
  const auto body = [runs](int n) {
    ++*runs;
    std::this_thread::sleep_for(50ms);
    return n;
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&] {
      const auto f = Cache({"memory:", url(folder)}).memoize("f", body);
      EXPECT_EQ(f(1), 1);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(*runs, 1);
}

}  // namespace
