// SPDX-License-Identifier: MIT
/// What a check of the suite asks a backend, and waits for.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dcache/engine/backend.hpp"
#include "dcache/engine/operation.hpp"
#include "dcache/testing/backend_suite.hpp"

namespace dcache::testing {

/// Thrown by a check: what the backend does wrong.
struct Wrong {
  std::string what;
};

void expect(bool holds, const std::string& what);

engine::WallTime in_an_hour();

/// One that nobody else has.
std::string new_key();

/// A backend of the row. It refers to the row. Every method throws `Wrong` where the answer is.
class Asked {
 public:
  explicit Asked(const BackendRow& row);

  engine::Backend& backend() const { return *backend_; }
  engine::Capabilities can() const { return backend_->capabilities(); }

  std::vector<engine::Item> all(engine::Verb verb, const std::vector<engine::Item>& items) const;
  /// `missing`: how many of them are not there.
  std::vector<engine::Item> get(const std::vector<engine::Item>& items, std::size_t missing) const;
  engine::Item one(engine::Verb verb, const std::string& key, std::string value = "",
                   std::uint64_t token = 0, engine::WallTime expires = in_an_hour()) const;
  void put(const std::string& key, const std::string& value) const;
  void expect_value(const std::string& key, const std::string& value) const;
  void expect_missing(const std::string& key) const;

 private:
  using IsWrong = std::function<bool(const engine::Item&)>;
  std::vector<engine::Item> ask(engine::Verb verb, const std::vector<engine::Item>& items,
                                std::size_t may_be_wrong, const IsWrong& is_wrong) const;

  const BackendRow& row_;
  std::shared_ptr<engine::Backend> backend_;
};

}  // namespace dcache::testing
