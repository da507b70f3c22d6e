// SPDX-License-Identifier: MIT
#include "solo.hpp"

#include <utility>

#include "function.hpp"

namespace dcache::python {

thread_local constinit Solo* Solo::innermost_ = nullptr;

void Solo::become_flight() {
  if (flight_) return;
  const engine::SteadyTime now =
      std::chrono::steady_clock::now();  // Who joins is patient from here.
  const Question& question = call_.question();
  const auto make_key = [this] { return FlightKey{Kept(key())}; };
  if (!detached_.load(std::memory_order_relaxed)) {
    const auto joined = flights_.join(question.hash(), question, make_key, now);
    solos_.became_ = true;
    if (joined.leader && !take(joined.flight)) flights_.abandon(*joined.flight, now);
  }
  // What is detached is in no table, so that nobody joins it.
  if (!flight_) {
    flight_ = engine::make_ref<Running::Flown>(question.hash(), make_key(), now);
  }
}

// One and the same for all who compare theirs with it, who note what they have asked.
Object Solo::key() {
  if (key_) return key_;
  const std::uint64_t number = number_;
  Solos& solos = solos_;
  Object key = call_.make_key();
  if (solos.running(number) == nullptr) return key;
  if (!key_) key_ = key;
  return key_;
}

// False: meanwhile it has got one, or its result is to be stored nowhere.
bool Solo::take(const engine::Ref<Running::Flown>& flight) noexcept {
  if (flight_ || detached_.load(std::memory_order_relaxed)) return false;
  flight_ = flight;
  return true;
}

bool Solo::own() const noexcept {
  const Solo* solo = innermost_;
  while (solo != nullptr && solo != this) solo = solo->outer_;
  return solo == this;
}

engine::Context Solo::context() {
  engine::Context context = context_of_python();
  for (Solo* solo = innermost_; solo != nullptr; solo = solo->outer_) {
    solo->become_flight();
    context = context.with(solo->flight_);
  }
  return context;
}

// Python may run where a key is made (a collection, before 3.12) and where keys are compared. What
// was found may be over then, and its stack another's: the search begins anew, and knows what it
// has asked.
bool Solos::search(const Question& question) {
  drop_those_of_the_parent();
  for (Solo* solo = first_; solo != nullptr;) {
    if (solo->call_.question().hash() != question.hash() || solo->detached_) {
      solo = solo->next_;
      continue;
    }
    const std::uint64_t number = solo->number_;
    const Object key = solo->key();
    if (running(number) == nullptr) {
      solo = first_;
    } else if (!question.means(key.get())) {
      solo = question.answer() ? first_ : solo->next_;
    } else if (solo->own()) {
      solo->become_flight();
      return true;
    } else if (make_joinable(*solo, question, key)) {
      return false;
    } else {
      solo = first_;
    }
  }
  return false;
}

Solo* Solos::running(std::uint64_t number) noexcept {
  Solo* solo = first_;
  while (solo != nullptr && solo->number_ != number) solo = solo->next_;
  return solo;
}

// The solo of another thread, which has this key. False: there is no such any more.
bool Solos::make_joinable(Solo& solo, const Question& question, const Object& key) {
  if (solo.flight_) return true;
  const std::uint64_t number = solo.number_;
  Running& flights = solo.flights_;
  const engine::SteadyTime now = std::chrono::steady_clock::now();
  const auto joined =
      flights.join(question.hash(), question, [&] { return FlightKey{Kept(key)}; }, now);
  became_ = true;
  Solo* const still = running(number);
  if (!joined.leader) return still != nullptr;
  if (still != nullptr && still->take(joined.flight)) return true;
  flights.abandon(*joined.flight, now);
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
