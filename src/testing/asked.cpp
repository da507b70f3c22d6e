// SPDX-License-Identifier: MIT
#include "testing/asked.hpp"

#include <atomic>
#include <numeric>
#include <thread>
#include <utility>

#include "dcache/engine/random.hpp"

namespace dcache::testing {

using engine::Item;
using engine::Op;
using engine::Reply;
using engine::SteadyMoment;
using engine::Verb;
using engine::WallTime;

void expect(bool holds, const std::string& what) {
  if (!holds) throw Wrong{what};
}

WallTime in_an_hour() { return engine::wall_now() + engine::microseconds(std::chrono::hours(1)); }

std::string new_key() {
  static std::atomic<unsigned> count{0};
  const auto chance = static_cast<std::uint64_t>(engine::random_fraction() * 1e15);
  return "suite:" + std::to_string(chance) + '-' + std::to_string(++count);
}

Asked::Asked(const BackendRow& row) : row_(row), backend_(row.make()) {
  expect(backend_ != nullptr, "make() gave no backend");
}

std::vector<Item> Asked::all(Verb verb, const std::vector<Item>& items) const {
  return ask(verb, items, 0, [](const Item& item) { return item.reply == Reply::failed; });
}

std::vector<Item> Asked::get(const std::vector<Item>& items, std::size_t missing) const {
  return ask(Verb::get, items, row_.gives_back ? missing : items.size(),
             [](const Item& item) { return item.reply != Reply::found; });
}

Item Asked::one(Verb verb, const std::string& key, std::string value, std::uint64_t token,
                WallTime expires) const {
  std::vector<Item> items(1);
  items[0].key = key;
  items[0].value = std::move(value);
  items[0].token = token;
  items[0].expires = expires;
  return all(verb, items)[0];
}

void Asked::put(const std::string& key, const std::string& value) const {
  expect(one(Verb::put, key, value).reply == Reply::done, "put was not `done`");
}

void Asked::expect_value(const std::string& key, const std::string& value) const {
  std::vector<Item> questions(1);
  questions[0].key = key;
  const Item item = get(questions, 0)[0];
  if (!row_.gives_back) {
    return expect(item.reply == Reply::missing, "get of what is not given back is not `missing`");
  }
  expect(item.reply == Reply::found, "get of what was put is not `found`");
  expect(item.value == value,
         "get gives other bytes than were put: " + std::to_string(item.value.size()) + " of " +
             std::to_string(value.size()));
}

void Asked::expect_missing(const std::string& key) const {
  expect(one(Verb::get, key).reply == Reply::missing, "get of what is not there is not `missing`");
}

// Of a backend that is not reliable those are asked again whose answers are wrong, if there are
// more than may be so.
std::vector<Item> Asked::ask(Verb verb, const std::vector<Item>& items, std::size_t may_be_wrong,
                             const IsWrong& is_wrong) const {
  const SteadyMoment give_up = std::chrono::steady_clock::now() + row_.patience;
  std::vector<Item> answers = items;
  std::vector<std::size_t> open(items.size());
  std::iota(open.begin(), open.end(), std::size_t{0});
  for (;;) {
    std::vector<Item> questions;
    questions.reserve(open.size());
    for (const std::size_t at : open) questions.push_back(items[at]);
    const auto op = engine::make_ref<Op>(verb, std::move(questions), give_up);
    backend_->submit(op);
    expect(op->wait(), "an operation did not complete in time");
    const bool last = row_.reliable || std::chrono::steady_clock::now() >= give_up;
    expect(!last || op->trouble().empty(), "an operation failed: " + op->trouble());
    if (op->trouble().empty()) {
      expect(op->items.size() == open.size(),
             "an operation came back with another number of items");
      for (std::size_t i = 0; i < open.size(); ++i) answers[open[i]] = op->items[i];
      std::erase_if(open, [&](std::size_t at) { return !is_wrong(answers[at]); });
    }
    if (last || open.size() <= may_be_wrong) return answers;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace dcache::testing
