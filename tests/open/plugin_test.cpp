// SPDX-License-Identifier: MIT
// A plugin that is built outside of the tree, from the public header alone, passes the suite.
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "dcache/cache.hpp"
#include "dcache/engine/open.hpp"
#include "dcache/error.hpp"
#include "dcache/testing/backend_suite.hpp"
#include "support/folder.hpp"

namespace {

using namespace std::chrono_literals;
using dcache::ConfigError;
using dcache::engine::load_plugin;
using dcache::engine::open_backend;
using dcache::test::Folder;

// Built in a folder of its own, from copies that `edit` (a script of sed) has changed. Empty: it
// cannot be.
std::string build(const Folder& folder, const std::string& edit) {
  std::filesystem::create_directories(folder / "include/dcache");
  std::filesystem::copy(DCACHE_SOURCES "/include/dcache/plugin.h", folder / "include/dcache");
  std::filesystem::copy(DCACHE_SOURCES "/examples/plugin/shelf.c", folder.path());
  const std::string command = "cd " + folder.path() + " && sed -i '" + edit +
                              "' shelf.c include/dcache/plugin.h && " DCACHE_COMPILER
                              " -x c -std=c99 -Wall -Werror -shared -fPIC -Iinclude shelf.c "
                              "-o shelf.so -D_POSIX_C_SOURCE=200809L";
  return std::system(command.c_str()) == 0 ? folder / "shelf.so" : std::string();
}

const std::string& shelf() {
  static const Folder folder;
  static const std::string path = [] {
    std::string built = build(folder, "");
    if (!built.empty()) load_plugin(built);
    return built;
  }();
  return path;
}

TEST(Plugin, PassesTheSuiteWithEveryHook) {
  ASSERT_NE(shelf(), "");
  dcache::testing::BackendRow row;
  row.make = [] { return open_backend("shelf:"); };
  for (const auto& hook : dcache::testing::backend_hooks()) {
    for (const auto& check : dcache::testing::backend_checks()) {
      EXPECT_EQ(check.run(hook.around(row)), "") << check.sentence << ", " << hook.name;
    }
  }
}

TEST(Plugin, IsATierLikeAnyOther) {
  ASSERT_NE(shelf(), "");
  int runs = 0;
  const auto f = dcache::Cache("shelf:").memoize("plugged", [&](int n) { return n + ++runs; });
  EXPECT_EQ(f(1), 2);
  EXPECT_EQ(f(1), 2);
}

TEST(Plugin, ThatWasBuiltWithAnOlderHeaderWorks) {
  const Folder folder;
  const std::string old = build(
      folder, R"(s/"shelf"/"oldshelf"/; s/"shelf:"/"oldshelf:"/; s/_VERSION 3U/_VERSION 1U/; )"
              "/near_ttl_ms;/d; /mark_ttl_ms;/d");
  ASSERT_NE(old, "");
  EXPECT_EQ(load_plugin(old), "oldshelf");
  EXPECT_EQ(open_backend("oldshelf:")->near_ttl(), 5s);
  EXPECT_EQ(open_backend("oldshelf:")->mark_ttl(), 1s);
  const auto f = dcache::Cache("oldshelf:").memoize("old", [](int n) { return 2 * n; });
  EXPECT_EQ(f(1), 2);
  EXPECT_EQ(f(1), 2);
}

TEST(Plugin, SaysForHowLongWhatWasAskedOfItIsBelieved) {
  const Folder folder;
  const std::string slow =
      build(folder, R"(s/"shelf"/"slowshelf"/; s/"shelf:"/"slowshelf:"/; s/budget_ms = 100;/& )"
                    "backend->near_ttl_ms = 60000; backend->mark_ttl_ms = 10000;/");
  ASSERT_NE(slow, "");
  EXPECT_EQ(load_plugin(slow), "slowshelf");
  EXPECT_EQ(open_backend("slowshelf:")->near_ttl(), 60s);
  EXPECT_EQ(open_backend("slowshelf:")->mark_ttl(), 10s);
}

TEST(Plugin, ThatWasBuiltWithANewerHeaderIsRefused) {
  const Folder folder;
  const std::string newer = build(folder, "s/_VERSION 3U/_VERSION 4U/");
  ASSERT_NE(newer, "");
  EXPECT_THROW(load_plugin(newer), ConfigError);
}

TEST(Plugin, SaysWhatIsWrongWithAUrl) {
  ASSERT_NE(shelf(), "");
  try {
    open_backend("shelf:x?y=z");
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_STREQ(error.what(), "dcache: shelf:x: expected shelf: and nothing else");
  }
}

TEST(Plugin, IsRefusedIfItIsNone) {
  const Folder folder;
  EXPECT_THROW(load_plugin(folder / "missing.so"), ConfigError);
  std::ofstream(folder / "text.so") << "no library";
  EXPECT_THROW(load_plugin(folder / "text.so"), ConfigError);
  EXPECT_THROW(load_plugin("libm.so.6"), ConfigError);
  ASSERT_NE(shelf(), "");
  EXPECT_THROW(load_plugin(shelf()), ConfigError);  // Its scheme is taken.
}

TEST(Urls, AreTakenApart) {
  const auto url =
      dcache::engine::Url::parse("redis://me:se%2Fcret@[::1]:6379/0?timeout=50ms&x=%20");
  EXPECT_EQ(url.scheme, "redis");
  EXPECT_EQ(url.user, "me");
  EXPECT_EQ(url.password, "se/cret");
  EXPECT_EQ(url.host, "::1");
  EXPECT_EQ(url.port, "6379");
  EXPECT_EQ(url.path, "/0");
  EXPECT_EQ(url.options.at("timeout"), "50ms");
  EXPECT_EQ(url.options.at("x"), " ");
  EXPECT_EQ(url.text().find("cret"), std::string::npos);
}

TEST(Urls, HaveSchemesWhoseCaseDoesNotCount) {
  EXPECT_EQ(dcache::engine::Url::parse("ReDIS://Host/0").scheme, "redis");
  EXPECT_EQ(dcache::engine::Url::parse("ReDIS://Host/0").host, "Host");
  EXPECT_NE(open_backend("FILE:///nowhere/Cache")->name().find("/nowhere/Cache"),
            std::string::npos);
  EXPECT_NE(open_backend("REDIS+UNIX:///run/redis.sock"), nullptr);
  const auto f = dcache::Cache("Memory:").memoize("f", [](int n) { return n; });
  EXPECT_EQ(f(1), 1);
  EXPECT_TRUE(f.far_stats().empty());
}

TEST(Urls, SayNothingTwiceAndNothingEmpty) {
  for (const auto& [url, words] : std::map<std::string, std::string>{
           {"file:///x?max_bytes=1GB&max_bytes=2GB", "file:///x has \"max_bytes\" twice"},
           {"file:///x?max_bytes=", "max_bytes of file:///x is \"\""},
           {"file:///x?max_bytes", "max_bytes of file:///x is \"\""},
           {"redis://x?timeout=", "timeout of redis://x is \"\""},
           {"file:///x%00y", "has a NUL character"},
           {std::string("file:///x\0y", 11), "has a NUL character"},
       }) {
    try {
      open_backend(url);
      ADD_FAILURE() << url << " was opened";
    } catch (const ConfigError& error) {
      EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
    }
  }
}

TEST(Urls, NeverPutASecretIntoAMessage) {
  for (const char* text :
       {"me:secret@host/0", "nowhere://me:secret@host/0", "file://me:secret@/x?y=1",
        // A password that is not escaped.
        "redis://me:secret/1@host/0", "redis://me:12/secret@host:6379", "redis://me:12?secret@host",
        "redis://me:12?a=secret@host", "redis://me:a@b/secret@host", "redis://secret/1@host",
        // A slash too few.
        "redis:me:secret@host", "redis:/me:secret@host/0", "rediss:/me:secret@host/0"}) {
    try {
      open_backend(text);
      FAIL() << text;
    } catch (const ConfigError& error) {
      EXPECT_EQ(std::string(error.what()).find("secret"), std::string::npos) << error.what();
    }
  }
}

TEST(Texts, AreSizesAndDurations) {
  using dcache::engine::parse_bytes;
  using dcache::engine::parse_duration;
  using namespace std::chrono_literals;
  EXPECT_EQ(parse_bytes("4096", "n"), 4096U);
  EXPECT_EQ(parse_bytes("1GB", "n"), 1'000'000'000U);
  EXPECT_EQ(parse_bytes("1.5MiB", "n"), 1'572'864U);
  EXPECT_EQ(parse_duration("90", "n"), 90s);
  EXPECT_EQ(parse_duration("1h30m", "n"), 90min);
  EXPECT_EQ(parse_duration("50ms", "n"), 50ms);
  for (const char* text : {"", "x", "1x", "-1", "1h30", "1e99d", "1 s"}) {
    EXPECT_THROW(parse_duration(text, "n"), ConfigError) << text;
    EXPECT_THROW(parse_bytes(text, "n"), ConfigError) << text;
  }
}

}  // namespace
