// SPDX-License-Identifier: MIT
/// A call that asks its far tiers from an event loop, without a frame of Python: what `_lead` of
/// `dcache/_async.py` does until the body has to run. A coroutine that only waits for a store costs
/// more in frames than in anything else.
#pragma once

#include "object.hpp"

namespace dcache::python {

/// Made, begun, and gone on with as long as it waits; all on the loop's thread. It is over once it
/// waits for nothing, and where it throws `Raised`.
class Fetch {
 public:
  /// One of them. `future`: to be yielded to the loop, and `go_on` when it is done. `delegate`: the
  /// coroutine that goes on in its place.
  struct Next {
    Object future = {};
    Object result = {};
    Object delegate = {};
  };

  /// A `Miss` that has not joined a flight, and the loop that runs.
  Fetch(Object miss, Object loop) noexcept : miss_(std::move(miss)), loop_(std::move(loop)) {}
  Fetch(const Fetch&) = delete;
  Fetch& operator=(const Fetch&) = delete;
  /// Whoever waits leads.
  ~Fetch();

  Next begin();
  Next go_on();
  /// What is raised now, the loop's cancelling for one, comes out of what it waits for.
  Next fail();

  int traverse(visitproc visit, void* arg) const;

 private:
  Next compute();

  const Object miss_;
  const Object loop_;
  bool leads_ = false;  // And nobody goes on in its place.
};

}  // namespace dcache::python
