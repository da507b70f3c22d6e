// SPDX-License-Identifier: MIT
// A function's keys, and its mark in each tier.
#include <algorithm>
#include <cstring>
#include <utility>

#include "dcache/engine/random.hpp"
#include "dcache/engine/tiers.hpp"
#include "dcache/error.hpp"

#include "tiers/marked.hpp"
#include "tiers/tier.hpp"

namespace dcache::engine {

Mark make_mark() {
  Mark mark;
  const std::uint64_t time =
      static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
  constexpr double whole = 4294967296.0;
  const std::uint64_t chance = static_cast<std::uint64_t>(random_fraction() * whole) << 32U |
                               static_cast<std::uint64_t>(random_fraction() * whole);
  std::memcpy(mark.data(), &time, sizeof time);
  std::memcpy(mark.data() + sizeof time, &chance, sizeof chance);
  return mark;
}

std::optional<Mark> mark_of(std::string_view bytes) noexcept {
  Mark mark;
  if (bytes.size() != mark.size()) return std::nullopt;
  std::copy(bytes.begin(), bytes.end(), mark.begin());
  return mark;
}

FarFunction::FarFunction(std::shared_ptr<Chain> chain, std::string_view space,
                         std::string_view name, std::string_view version, std::string_view secret)
    : chain_(std::move(chain)),
      prefix_(key_prefix(space, name)),
      canonical_(canonical_prefix(name, version)),
      // As far apart as the functions are: what a store does not take of a name is in the digest.
      mark_key_(far_key(prefix_, canonical_).text),
      marks_(std::make_unique<Marked[]>(chain_->size())),
      own_signer_(secret.empty() ? nullptr : std::make_unique<Signer>(secret)),
      signer_(own_signer_ ? own_signer_.get() : chain_->signer_.get()) {}

FarFunction::~FarFunction() = default;

FarKey FarFunction::key(std::string_view arguments, std::string_view program) const {
  std::string canonical;
  canonical.reserve(canonical_.size() + arguments.size() + program.size());
  canonical.append(canonical_).append(arguments).append(program);
  if (!program.empty()) ++canonical.front();  // The head of an array, of one item more.
  return far_key(prefix_, std::move(canonical));
}

void FarFunction::write_key(std::string_view arguments, char* to) const {
  write_far_key(prefix_, {canonical_, arguments}, to);
}

Walk FarFunction::clear() {
  std::string missed;
  for (std::size_t at = chain_->size(); at-- > 0;) {
    Tier& tier = *chain_->tiers_[at];
    const Mark mark = make_mark();
    const SteadyMoment now = std::chrono::steady_clock::now();
    const Ref<Op> op =
        make_op(Verb::put, mark_key_, tier.can.local ? SteadyMoment::max() : now + tier.budget);
    op->items.front().value = as_bytes(mark);
    marks_[at].clear();
    op->attend();
    tier.backend().submit(op);
    co_await Completed(*op);
    const std::uint32_t clears = marks_[at].clear();
    if (tier.settle(*op, chain_->options_, std::chrono::steady_clock::now())) {
      marks_[at].learn(mark, chain_->moment(now), clears);
    } else {
      add_missed(missed, tier);
    }
  }
  if (!missed.empty()) {
    throw InvalidationError("dcache: clearing did not reach " + missed +
                            "; what is there may be served again: clear once more when it answers");
  }
}

}  // namespace dcache::engine
