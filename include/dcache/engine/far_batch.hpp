// SPDX-License-Identifier: MIT
/// Many calls' way through the far tiers as one: where each of them would ask a tier, one operation
/// asks for all.
///
///   FarBatch batch;
///   for (auto& [call, walk] : calls) batch.add(call, walk);   // walk = call.look(…)
///   run(batch.go());
#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <vector>

#include "dcache/engine/backend.hpp"
#include "dcache/engine/tiers.hpp"
#include "dcache/engine/walk.hpp"

namespace dcache::engine {

/// For one driver at a time; outlives its walk.
class FarBatch {
 public:
  FarBatch() = default;
  FarBatch(const FarBatch&) = delete;
  FarBatch& operator=(const FarBatch&) = delete;

  /// A walk of `call` that has not begun. Both outlive the batch.
  void add(FarCall& call, Walk& walk) { parts_.push_back({&call, &walk}); }

  /// Goes all the walks to their ends, side by side. Throws, once all have ended, what the first
  /// that failed threw.
  Walk go();

 private:
  friend class FarCall;

  struct Part {
    FarCall* call;
    Walk* walk;
    bool ended = false;
  };
  // What a part has asked, and which items of the joint operation those are.
  struct Share {
    std::size_t part;
    Ref<Op> op;
    std::vector<std::size_t> items = {};
  };
  struct Joint {
    Backend* backend;
    Verb verb;
    std::vector<Share> shares;
    Ref<Op> op = {};
  };

  struct UnderWay;

  // In place of `Backend::submit`, while a part takes a step.
  void submit(Backend& backend, bool batches, const Ref<Op>& op);
  void step(std::size_t part);
  bool step_all();
  SteadyMoment next_moment() const;
  void settle(const Joint& joint) const;
  static Ref<Op> unite(Joint& joint);
  static std::function<void(Op&)> late(const Joint& joint);
  static void hand_out(const Op& whole, const std::vector<Share>& shares) noexcept;
  static void answer(const Op& whole, const Share& share) noexcept;

  std::vector<Part> parts_;
  std::size_t stepping_ = 0;
  std::vector<Joint> asked_;  // Since the last operations were submitted.
  std::exception_ptr error_;
};

}  // namespace dcache::engine
