// SPDX-License-Identifier: MIT
#include "dcache/engine/context.hpp"

#include <utility>

namespace dcache::engine {

thread_local constinit const Context::Frame* Context::current_ = nullptr;

Context Context::with(Ref<Flight> flight) const {
  auto frame = make_ref<Frame>();
  frame->flight = std::move(flight);
  frame->outer = top_;
  return Context(std::move(frame));
}

bool Context::inside(const Flight& flight) const noexcept {
  bool found = false;
  each([&](const Flight& other) { found = found || &other == &flight; });
  return found;
}

Context::Adopt::Adopt(Ref<const Frame> top) noexcept : top_(std::move(top)), before_(current_) {
  current_ = top_.get();
}

Context::Adopt::Adopt(const Context& context) : top_(context.top_), before_(current_) {
  if (before_ != nullptr && !context.empty()) {
    auto both = make_ref<Frame>();
    both->outer = Ref<const Frame>(before_);
    both->adopted = context.top_;
    top_ = std::move(both);
  }
  if (top_) current_ = top_.get();
}

}  // namespace dcache::engine
