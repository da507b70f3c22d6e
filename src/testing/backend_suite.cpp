// SPDX-License-Identifier: MIT
#include "dcache/testing/backend_suite.hpp"

#include <atomic>
#include <chrono>
#include <exception>
#include <thread>
#include <utility>

#include "testing/asked.hpp"

namespace dcache::testing {
namespace {

using engine::Item;
using engine::no_end;
using engine::Op;
using engine::Ref;
using engine::Reply;
using engine::Verb;
using engine::WallTime;

void says_what_is_missing(const BackendRow& row) { Asked(row).expect_missing(new_key()); }

void gives_back_any_bytes(const BackendRow& row) {
  const Asked asked(row);
  std::string every;
  for (int byte = 0; byte < 256; ++byte) every += static_cast<char>(byte);
  for (const std::string& value : {std::string(), std::string(1, '\0'), every}) {
    const std::string key = new_key();
    asked.put(key, value);
    asked.expect_value(key, value);
  }
}

void gives_back_large_values(const BackendRow& row) {
  const Asked asked(row);
  std::string value(row.value_max, 'x');
  for (std::size_t i = 0; i < value.size(); i += 997) value[i] = static_cast<char>(i);
  const std::string key = new_key();
  asked.put(key, value);
  asked.expect_value(key, value);
}

void replaces(const BackendRow& row) {
  const Asked asked(row);
  const std::string key = new_key();
  asked.put(key, "a longer first value");
  asked.put(key, "second");
  asked.expect_value(key, "second");
}

void erases(const BackendRow& row) {
  const Asked asked(row);
  const std::string key = new_key();
  asked.put(key, "value");
  expect(asked.one(Verb::erase, key).reply == Reply::done, "erase was not `done`");
  asked.expect_missing(key);
  const Reply again = asked.one(Verb::erase, key).reply;
  expect(again == Reply::missing || again == Reply::done, "erase of nothing is no failure");
}

void takes_keys_as_they_are(const BackendRow& row) {
  const Asked asked(row);
  const std::string key = new_key();
  const std::vector<std::string> keys = {key,
                                         key + 'a',
                                         key + 'A',
                                         key + '/',
                                         key + "/../x",
                                         key + '.',
                                         key + ":mark",
                                         key + "%2",
                                         key + "%2F",
                                         key + '*',
                                         key + "!#$&'<>?@[]^|~",
                                         '.' + key,
                                         '/' + key,
                                         key + std::string(250 - key.size(), 'k')};
  for (const std::string& each : keys) asked.put(each, each);
  for (const std::string& each : keys) asked.expect_value(each, each);
}

void answers_for_many_keys_in_their_order(const BackendRow& row) {
  const Asked asked(row);
  const std::string key = new_key();
  std::vector<Item> items(50);
  for (std::size_t i = 0; i < items.size(); ++i) {
    items[i].key = key + std::to_string(i);
    items[i].value = std::to_string(i);
    items[i].expires = in_an_hour();
  }
  auto questions = items;
  for (Item& each : questions) each.value.clear();
  items.erase(items.begin() + 7);
  for (const Item& each : asked.all(Verb::put, items)) {
    expect(each.reply == Reply::done, "put of many was not `done`");
  }
  const auto answers = asked.get(questions, 1);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const bool there = i != 7 && row.gives_back;
    expect(answers[i].reply == (there ? Reply::found : Reply::missing), "get of many: a reply");
    expect(!there || answers[i].value == std::to_string(i), "get of many: a value of another key");
  }
}

void is_one_store_for_all_objects(const BackendRow& row) {
  const Asked one(row), other(row);
  if (!one.can().shared) return;
  const std::string key = new_key();
  one.put(key, "value");
  other.expect_value(key, "value");
  other.one(Verb::erase, key);
  one.expect_missing(key);
}

void may_drop_what_has_expired_and_nothing_else(const BackendRow& row) {
  const Asked asked(row);
  const std::string key = new_key();
  asked.one(Verb::put, key, "old", 0, 1);
  const Reply reply = asked.one(Verb::get, key).reply;
  expect(reply == Reply::found || reply == Reply::missing, "get of what has expired fails");
  asked.one(Verb::put, key, "for ever", 0, no_end);
  asked.expect_value(key, "for ever");
}

void adds_once(const BackendRow& row) {
  const Asked one(row), other(row);
  if (!one.can().adds) return;
  const std::string key = new_key();
  expect(one.one(Verb::add, key, "first").reply == Reply::done, "add to nothing is not `done`");
  const Item second = other.one(Verb::add, key, "second");
  if (one.can().shared) {
    expect(second.reply == Reply::found && second.value == "first",
           "add did not give what is there");
  }
  one.expect_value(key, "first");
}

Item lease_of_free(const BackendRow& row, const Asked& asked, const std::string& key) {
  const auto give_up = std::chrono::steady_clock::now() + row.patience;
  for (;;) {
    Item lease = asked.one(Verb::lease, key);
    const bool last = row.frees_at_once || std::chrono::steady_clock::now() >= give_up;
    if (lease.reply != Reply::busy || last) return lease;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void leases_to_one(const BackendRow& row) {
  const Asked one(row), other(row);
  if (!one.can().leases) return;
  const std::string key = new_key();
  const Item held = one.one(Verb::lease, key);
  expect(held.reply == Reply::done && held.token != 0, "lease of what nobody has is not `done`");
  expect(other.one(Verb::lease, key).reply == Reply::busy, "a second lease is not `busy`");
  expect(other.one(Verb::lease, new_key()).reply == Reply::done, "one lease holds two keys");
  one.one(Verb::release, key, "", held.token);
  const Item next = lease_of_free(row, other, key);
  expect(next.reply == Reply::done, "a lease that was released is not free");
  expect(other.one(Verb::fill, key, "value", next.token).reply == Reply::done,
         "fill is not `done`");
  one.expect_value(key, "value");
  const Item after = one.one(Verb::lease, key);
  expect(after.reply == Reply::done, "a fill did not end its lease");
  one.one(Verb::release, key, "", after.token);
}

void looks_before_it_leases(const BackendRow& row) {
  const Asked one(row), other(row);
  if (!one.can().leases || !row.gives_back) return;
  const std::string key = new_key();
  const auto look = [&](const Asked& asked, std::string seen) {
    std::vector<Item> items(1);
    items[0].key = key;
    items[0].value = std::move(seen);
    items[0].looks = true;
    return asked.all(Verb::lease, items)[0];
  };
  const Item lease = look(one, "");
  expect(lease.reply == Reply::done, "a lease that looks at nothing is not `done`");
  const Item busy = look(other, "");
  expect(busy.reply == Reply::busy, "a second lease that looks is not `busy`");
  expect(other.one(Verb::fill, key, "first value", busy.token).reply == Reply::done,
         "`busy` came without a token to fill with");
  one.one(Verb::release, key, "", lease.token);
  const Item found = look(other, "");
  expect(found.reply == Reply::found && found.value == "first value",
         "a lease that looks does not give what is there");
  const Item next = look(one, "value");
  expect(next.reply == Reply::done,
         "what was seen, or a look that found, keeps a lease from others");
  expect(look(other, "other").reply == Reply::found, "a lease gives nothing new while it is held");
  one.one(Verb::release, key, "", next.token);
}

void refuses_fills_that_an_invalidation_beat(const BackendRow& row) {
  const Asked one(row), other(row);
  if (!one.can().leases) return;
  for (const bool leased : {false, true}) {
    for (const Verb change : {Verb::erase, Verb::put}) {
      const std::string key = new_key();
      const Item begun = one.one(leased ? Verb::lease : Verb::watch, key);
      other.one(change, key, "explicit");
      const Item anew = other.one(Verb::lease, key);
      expect(anew.reply == Reply::done, "an invalidation did not free the lease for others");
      expect(one.one(Verb::fill, key, "old", begun.token).reply == Reply::refused,
             "a fill that began before an invalidation was stored");
      if (change == Verb::erase) {
        one.expect_missing(key);
      } else {
        one.expect_value(key, "explicit");
      }
      expect(other.one(Verb::fill, key, "new", anew.token).reply == Reply::done,
             "a fill that began after an invalidation was refused");
      one.expect_value(key, "new");
    }
  }
}

void never_mixes_what_threads_write(const BackendRow& row) {
  const Asked asked(row);
  const std::string key = new_key();
  asked.put(key, "");
  std::atomic<bool> mixed{false};
  std::atomic<bool> failed{false};
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      try {
        for (int i = 0; i < 25; ++i) {
          asked.put(key, std::string(20'000, static_cast<char>('a' + thread)));
          const Item item = asked.one(Verb::get, key);
          const bool whole =
              item.value == std::string(20'000, item.value.empty() ? ' ' : item.value[0]);
          const bool may_miss = !row.gives_back || !row.reliable || !row.steady;
          if (item.reply == Reply::found ? !whole : !may_miss) mixed = true;
        }
      } catch (const Wrong&) {
        failed = true;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  expect(!failed, "an operation of several threads failed");
  expect(!mixed, row.steady ? "a get found parts of two values, or none"
                            : "a get found parts of two values");
}

void can_be_checked_and_closed(const BackendRow& row) {
  const Asked asked(row);
  asked.backend().check();
  expect(!asked.backend().name().empty(), "it has no name");
  expect(asked.backend().budget().count() > 0, "its budget is not above zero");
  asked.backend().close();
  asked.backend().close();
  const Ref<Op> op =
      engine::make_op(Verb::get, new_key(), std::chrono::steady_clock::now() + row.patience);
  asked.backend().submit(op);
  expect(op->wait(), "after close an operation hangs");
}

BackendCheck check(std::string sentence, void (*run)(const BackendRow&)) {
  return {std::move(sentence), [run](const BackendRow& row) -> std::string {
            try {
              run(row);
            } catch (const Wrong& wrong) {
              return wrong.what;
            } catch (const std::exception& error) {
              return error.what();
            }
            return "";
          }};
}

}  // namespace

const std::vector<BackendCheck>& backend_checks() {
  static const std::vector<BackendCheck> checks = {
      check("says what is missing", says_what_is_missing),
      check("gives back any bytes", gives_back_any_bytes),
      check("gives back large values", gives_back_large_values),
      check("replaces", replaces),
      check("erases", erases),
      check("takes keys as they are", takes_keys_as_they_are),
      check("answers for many keys in their order", answers_for_many_keys_in_their_order),
      check("is one store for all objects", is_one_store_for_all_objects),
      check("may drop what has expired and nothing else",
            may_drop_what_has_expired_and_nothing_else),
      check("adds once", adds_once),
      check("leases to one", leases_to_one),
      check("looks before it leases", looks_before_it_leases),
      check("refuses fills that an invalidation beat", refuses_fills_that_an_invalidation_beat),
      check("never mixes what threads write", never_mixes_what_threads_write),
      check("can be checked and closed", can_be_checked_and_closed),
  };
  return checks;
}

}  // namespace dcache::testing
