// SPDX-License-Identifier: MIT
/// What is asked of S3, verb by verb, and what its answers are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "backends/s3/part.hpp"

namespace dcache::s3 {

/// `get`, `put`, `erase` and `add` of one item.
class Single final : public Part {
 public:
  using Part::Part;

 private:
  // `add` where the server has no conditional writes: look, write, and look what has come of it.
  enum class Step : std::uint8_t { main, read_back, look, write };

  void ask(const Settings& settings) override;
  void done() override;
  void missing() override;
  void exists() override;
  void unconditional() override;

  bool reads() const noexcept;
  void take();
  void go_on(Step step);

  Step step_ = Step::main;
};

/// `erase` of many. S3 answers with those that failed.
class Batch final : public Part {
 public:
  static constexpr std::size_t size_max = 1000;

  using Part::Part;

 private:
  void ask(const Settings& settings) override;
  void done() override;
  void missing() override;
  void exists() override;
  void unconditional() override;

  std::string body_;
};

/// What the verb of the operation takes, for these items.
engine::Ref<Part> make_part(engine::Ref<Journey> journey, std::size_t first, std::size_t count);

}  // namespace dcache::s3
