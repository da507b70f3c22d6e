// SPDX-License-Identifier: MIT
// The C++ of the pages, in the order of each: what it needs stands before it, what it says is asked
// for after it. tools/snippets.py takes it out of them.
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <set>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "dcache/backends/file.hpp"
#include "dcache/cache.hpp"
#include "dcache/testing/backend_suite.hpp"

#include "headers.inc"

namespace {

using namespace std::chrono_literals;

// What a page leaves behind is gone before and after it. Each has a folder of its own.
class Cleaned {
 public:
  explicit Cleaned(const std::string& page) : folder_(DCACHE_PAGES_CACHE "/" + page) {
    std::filesystem::remove_all(folder_);
  }
  Cleaned(const Cleaned&) = delete;
  Cleaned& operator=(const Cleaned&) = delete;
  ~Cleaned() {
    dcache::configure({.tiers = {"memory:"}, .mode = dcache::Mode::normal});
    std::filesystem::remove_all(folder_);
  }
  std::string folder() const { return folder_; }

 private:
  const std::string folder_;
};

int fetched = 0;

int fetch_quote(const std::string& stock) {
  ++fetched;
  return stock == "ACME" ? 101 : 0;
}

TEST(Pages, Readme) {
  const Cleaned cleaned("README");
  fetched = 0;
#include "README.inc"
  EXPECT_EQ(quote.peek("ACME"), std::nullopt);
  EXPECT_EQ(fetched, 1);
  EXPECT_EQ(shared("ACME"), 101);
  EXPECT_TRUE(std::filesystem::exists(cleaned.folder() + "/app"));
}

TEST(Pages, Memoize) {
  fetched = 0;
#include "memoize.inc"
  EXPECT_EQ(quote("ACME") + quote("ACME"), 202);
  EXPECT_EQ(fetched, 1);
}

TEST(Pages, Memory) {
  using Page = std::string;
  std::string shown;
  const auto page = std::make_shared<const Page>("a page");
  const auto show = [&](const Page& text) { shown = text; };
#include "memory.inc"
  EXPECT_EQ(shown, "a page");
}

TEST(Pages, Tiers) {
  const Cleaned cleaned("tiers");
  const auto ask_warehouse = [](const std::string&) { return 3; };
#include "tiers.inc"
  EXPECT_EQ(price("apple"), 3);
  EXPECT_EQ(price.far_stats().size(), 1U);
  EXPECT_THROW(price.invalidate("apple"), dcache::ModeError);
  EXPECT_EQ(dcache::memoize("f", [] { return 1; }).far_stats().size(), 1U);
}

TEST(Pages, WriteABackend) {
  const Cleaned cleaned("write-a-backend");
  dcache::testing::BackendRow row;
  row.make = [&] { return std::make_shared<dcache::FileBackend>(cleaned.folder()); };
#include "write-a-backend.inc"
}

TEST(AllPages, AreHere) {
  const std::set<std::string> here = {"README.md", "docs/memoize.md", "docs/memory.md",
                                      "docs/tiers.md", "docs/write-a-backend.md"};
  std::set<std::string> there;
  std::istringstream names(DCACHE_PAGES);
  for (std::string name; std::getline(names, name, ' ');) there.insert(name);
  EXPECT_EQ(there, here) << "add what is new to this file";
}

}  // namespace
