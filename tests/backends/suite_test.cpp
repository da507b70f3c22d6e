// SPDX-License-Identifier: MIT
// The one suite over every backend, a row each, and with every hook.
#include <algorithm>
#include <cctype>
#include <chrono>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dcache/backends/file.hpp"
#include "dcache/backends/redis.hpp"
#include "dcache/backends/s3.hpp"
#include "dcache/testing/backend_suite.hpp"
#include "support/folder.hpp"
#include "support/redis_server.hpp"
#include "support/s3_server.hpp"

namespace {

using dcache::testing::backend_checks;
using dcache::testing::backend_hooks;
using dcache::testing::BackendHook;
using dcache::testing::BackendRow;
using namespace std::chrono_literals;

struct Named {
  std::string name;
  BackendRow row;

  friend void PrintTo(const Named& named, std::ostream* out) { *out << named.name; }
};

Named file_row() {
  const auto folder = std::make_shared<dcache::test::Folder>();
  BackendRow row;
  row.make = [folder] { return std::make_shared<dcache::FileBackend>(*folder / "cache"); };
  return {"file", row};
}

// The server starts with the first check of its row.
Named redis_row(dcache::test::Flavour flavour) {
  const auto server = std::make_shared<std::shared_ptr<dcache::test::RedisServer>>();
  BackendRow row;
  row.make = [server, flavour] {
    if (!*server) {
      *server = std::make_shared<dcache::test::RedisServer>(
          dcache::test::RedisOptions{.flavour = flavour});
    }
    return std::make_shared<dcache::RedisBackend>(
        dcache::RedisOptions{.host = "127.0.0.1", .port = (*server)->port()});
  };
  return {dcache::test::name_of(flavour), row};
}

// Stores nothing, and says that it has.
class Forgetful final : public dcache::engine::Backend {
 public:
  std::string name() const override { return "forgetful"; }
  dcache::engine::Capabilities capabilities() const noexcept override { return {}; }
  void submit(const dcache::engine::Ref<dcache::engine::Op>& op) noexcept override {
    using dcache::engine::Reply;
    const bool reads = op->verb() == dcache::engine::Verb::get;
    for (auto& item : op->items) item.reply = reads ? Reply::missing : Reply::done;
    op->complete();
  }
  void check() override {}
};

Named s3_row(const std::string& server, std::chrono::seconds lease) {
  BackendRow row;
  row.make = [server, lease] {
    dcache::S3Options options = dcache::test::s3_options(server);
    options.lease = lease;
    return std::make_shared<dcache::S3Backend>(options);
  };
  row.patience = std::chrono::seconds(30);
  row.steady = server != "swift";  // It opens the old file by name, which may be gone by then.
  return {"s3_" + server + (lease.count() > 0 ? "_leases" : ""), row};
}

std::vector<Named> rows() {
  std::vector<Named> rows;
  for (const Named& backend : {file_row(), redis_row(dcache::test::Flavour::redis),
                               redis_row(dcache::test::Flavour::valkey), s3_row("ceph", 0s),
                               s3_row("ceph", 30s), s3_row("swift", 0s)}) {
    for (const BackendHook& hook : backend_hooks()) {
      // On a busy machine Swift alone takes what faults leave to an operation; they are no other
      // than those over Ceph.
      if (backend.name == "s3_swift" && hook.name == "a tier with faults") continue;
      rows.push_back({backend.name + '_' + hook.name, hook.around(backend.row)});
    }
  }
  return rows;
}

class Suite : public testing::TestWithParam<Named> {};

TEST_P(Suite, Holds) {
  const BackendRow& row = GetParam().row;
  for (const auto& check : backend_checks()) EXPECT_EQ(check.run(row), "") << check.sentence;
}

std::string name_of(const testing::TestParamInfo<Named>& info) {
  std::string name = info.param.name;
  std::replace_if(
      name.begin(), name.end(), [](unsigned char letter) { return !std::isalnum(letter); }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Backends, Suite, testing::ValuesIn(rows()), name_of);

// Whatever is wrong below a tier, the suite has to see it through each of its hooks.
TEST(Hooks, HideNothingThatABackendDoesWrong) {
  BackendRow row;
  row.patience = std::chrono::milliseconds(300);
  row.make = [] { return std::make_shared<Forgetful>(); };
  for (const BackendHook& hook : backend_hooks()) {
    const BackendRow around = hook.around(row);
    if (!around.gives_back) continue;
    const auto& checks = backend_checks();
    EXPECT_TRUE(std::any_of(checks.begin(), checks.end(), [&](const auto& check) {
      return !check.run(around).empty();
    })) << hook.name;
  }
}

}  // namespace
