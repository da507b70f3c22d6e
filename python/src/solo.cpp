// SPDX-License-Identifier: MIT
#include "solo.hpp"

#include <utility>

#include "function.hpp"

namespace dcache::python {

thread_local constinit Solo* Solo::innermost_ = nullptr;

void Solo::become_flight() {
  if (flight_) return;
  solos_.became_ = true;
  const engine::SteadyTime now =
      std::chrono::steady_clock::now();  // Who joins is patient from here.
  const Question& question = call_.question();
  const auto make_key = [this] { return FlightKey{Kept(call_.make_key())}; };
  if (!detached_.load(std::memory_order_relaxed)) {
    auto joined = flights_.join(question.hash(), question, make_key, now);
    if (joined.leader) flight_ = std::move(joined.flight);
  }
  // What is detached is in no table, so that nobody joins it.
  if (!flight_) {
    flight_ = engine::make_ref<Running::Flown>(question.hash(), make_key(), now);
  }
}

engine::Context Solo::context() {
  engine::Context context = context_of_python();
  for (Solo* solo = innermost_; solo != nullptr; solo = solo->outer_) {
    solo->become_flight();
    context = context.with(solo->flight_);
  }
  return context;
}

bool Solos::search(const Question& question) {
  drop_those_of_the_parent();
  for (Solo* solo = first_; solo != nullptr; solo = solo->next_) {
    if (solo->call_.question().hash() != question.hash() || solo->detached_) continue;
    const Object key = solo->call_.make_key();
    if (!question.means(key.get())) {
      if (!question.answer()) continue;
      return find(question);  // Python has run: the list may be another.
    }
    solo->become_flight();
    for (Solo* own = Solo::innermost_; own != nullptr; own = own->outer_) {
      if (own == solo) return true;
    }
    return false;
  }
  return false;
}

bool Solos::detach(std::uint64_t hash) noexcept {
  drop_those_of_the_parent();
  bool found = false;
  for (Solo* solo = first_; solo != nullptr; solo = solo->next_) {
    if (solo->call_.question().hash() == hash) found |= !solo->detached_.exchange(true);
  }
  return found;
}

void Solos::detach_all() noexcept {
  drop_those_of_the_parent();
  for (Solo* solo = first_; solo != nullptr; solo = solo->next_) solo->detached_ = true;
}

// In a forked child the threads of the others are gone, and with them who would unlink their solos.
void Solos::drop() noexcept {
  generation_ = engine::fork_generation();
  Solo* kept = nullptr;
  for (Solo* solo = first_; solo != nullptr;) {
    Solo* const next = solo->next_;
    bool own = false;
    for (Solo* mine = Solo::innermost_; mine != nullptr; mine = mine->outer_)
      own = own || mine == solo;
    if (own) {
      solo->previous_ = nullptr;
      solo->next_ = kept;
      if (kept != nullptr) kept->previous_ = solo;
      kept = solo;
    }
    solo = next;
  }
  first_ = kept;
}

}  // namespace dcache::python
