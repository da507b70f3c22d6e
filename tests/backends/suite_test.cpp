// SPDX-License-Identifier: MIT
// The one suite over every backend: a row each.
#include <algorithm>
#include <cctype>
#include <memory>
#include <string>
#include <tuple>

#include <gtest/gtest.h>

#include "dcache/backends/file.hpp"
#include "dcache/backends/redis.hpp"
#include "dcache/testing/backend_suite.hpp"
#include "support/folder.hpp"
#include "support/redis_server.hpp"

namespace {

using dcache::testing::backend_checks;
using dcache::testing::BackendCheck;
using dcache::testing::BackendRow;

struct Named {
  std::string name;
  BackendRow row;
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

class Suite : public testing::TestWithParam<std::tuple<Named, BackendCheck>> {};

TEST_P(Suite, Holds) {
  const auto& [backend, check] = GetParam();
  EXPECT_EQ(check.run(backend.row), "") << backend.name << ' ' << check.sentence;
}

std::string name_of(const testing::TestParamInfo<Suite::ParamType>& info) {
  std::string name = std::get<0>(info.param).name + '_' + std::get<1>(info.param).sentence;
  std::replace_if(
      name.begin(), name.end(), [](unsigned char letter) { return !std::isalnum(letter); }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Backends, Suite,
                         testing::Combine(testing::Values(file_row(),
                                                          redis_row(dcache::test::Flavour::redis),
                                                          redis_row(dcache::test::Flavour::valkey)),
                                          testing::ValuesIn(backend_checks())),
                         name_of);

}  // namespace
