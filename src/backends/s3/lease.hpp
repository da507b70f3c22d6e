// SPDX-License-Identifier: MIT
/// `watch`, `lease`, `fill` and `release` of one item, by conditional writes (`placeholder.hpp`).
#pragma once

#include <optional>
#include <string>

#include "backends/s3/part.hpp"
#include "backends/s3/placeholder.hpp"

namespace dcache::s3 {

class Lease final : public Part {
 public:
  using Part::Part;

 private:
  bool known() override;
  void ask(const Settings& settings) override;
  void done() override;
  void missing() override;
  void exists() override;
  void unconditional() override;

  void take_what_is_there();
  // A token of it.
  void give(Tokens::Of of);

  bool looks_ = false;  // What is there?
  std::string tag_;     // Of what is to be replaced; empty: nothing may be there.
  std::string text_;    // Of the placeholder that is being written.
};

}  // namespace dcache::s3
