// SPDX-License-Identifier: MIT
// Many calls that go through their far tiers as one: each tier is asked once, and what holds for
// one call holds for each of many.
#include "dcache/engine/far_batch.hpp"

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "dcache/error.hpp"
#include "support/store.hpp"

namespace {

using namespace std::chrono_literals;
using dcache::engine::Chain;
using dcache::engine::FarBatch;
using dcache::engine::FarCall;
using dcache::engine::FarFunction;
using dcache::engine::Record;
using dcache::engine::RecordFault;
using dcache::engine::TierOptions;
using dcache::engine::Walk;
using dcache::test::Store;

using Temper = Store::Temper;

class FarBatches : public testing::Test {
 protected:
  using Stores = std::vector<std::shared_ptr<Store>>;

  static std::shared_ptr<FarFunction> function_over(const Stores& stores) {
    std::vector<TierOptions> tiers;
    for (const auto& store : stores) tiers.push_back({.backend = store});
    const auto chain = std::make_shared<Chain>(std::move(tiers), dcache::engine::ChainOptions{});
    return std::make_shared<FarFunction>(chain, "", "twice", "");
  }
  // Canonical bytes of one small number.
  static std::string arguments(int n) { return {'\x81', static_cast<char>(n)}; }

  struct Asked {
    std::unique_ptr<FarCall> call;
    std::optional<Walk> walk;
    std::string found;
  };

  void ask(const std::shared_ptr<FarFunction>& function, int n) {
    Asked& asked = asked_.emplace_back();
    asked.call = std::make_unique<FarCall>(function, function->key(arguments(n)));
    FarCall::Look how;
    how.accept = [&asked](const Record& record, bool) {
      asked.found = record.payload;
      return RecordFault::none;
    };
    asked.walk.emplace(asked.call->look(std::move(how)));
  }
  void go() {
    FarBatch batch;
    for (Asked& asked : asked_) batch.add(*asked.call, *asked.walk);
    run(batch.go());
  }
  void store(Asked& asked, const std::string& payload) {
    run(asked.call->store({.codec = "text", .payload = payload, .times = {}}, nullptr));
  }
  // As another process would have stored them.
  static void fill(const std::shared_ptr<FarFunction>& function, int begin, int end) {
    for (int n = begin; n < end; ++n) {
      FarCall call(function, function->key(arguments(n)));
      run(call.look({.accept = [](const Record&, bool) { return RecordFault::mismatch; }}));
      run(call.store({.codec = "text", .payload = std::to_string(2 * n), .times = {}}, nullptr));
    }
  }

  std::deque<Asked> asked_;
};

TEST_F(FarBatches, AskEachTierOnceAndFillTheNearerOnesAtOnce) {
  const auto near = std::make_shared<Store>("near"), far = std::make_shared<Store>("far");
  fill(function_over({far}), 0, 3);
  const auto function = function_over({near, far});
  fill(function, 20, 21);  // Marks are known from here on.
  const std::size_t near_before = near->asked(), far_before = far->asked();
  for (int n = 0; n < 5; ++n) ask(function, n);

  go();

  for (int n = 0; n < 5; ++n) {
    EXPECT_EQ(asked_[static_cast<std::size_t>(n)].found, n < 3 ? std::to_string(2 * n) : "") << n;
  }
  EXPECT_EQ(near->asked() - near_before, 2U);  // What is there, and what was found farther away.
  EXPECT_EQ(far->asked() - far_before, 1U);
  const auto stats = function->chain().stats();
  EXPECT_EQ(stats[1].hits, 3U);
  EXPECT_EQ(stats[0].stores, 4U);
  EXPECT_EQ(near->kept().size(), 5U);  // With the mark.
}

TEST_F(FarBatches, MakeTheMarkOfTheirFunctionOnce) {
  const auto store = std::make_shared<Store>("store", dcache::engine::Capabilities{.adds = true});
  const auto function = function_over({store});
  for (int n = 0; n < 10; ++n) ask(function, n);

  go();
  EXPECT_EQ(store->asked(), 2U);
  for (int n = 0; n < 10; ++n) this->store(asked_[static_cast<std::size_t>(n)], "x");

  asked_.clear();
  for (int n = 0; n < 10; ++n) ask(function_over({store}), n);
  go();
  for (const Asked& asked : asked_) EXPECT_EQ(asked.found, "x");
}

TEST_F(FarBatches, AskAStoreThatTakesOneKeyAtATimeOneByOne) {
  const auto store =
      std::make_shared<Store>("store", dcache::engine::Capabilities{.batches = false});
  const auto function = function_over({store});
  fill(function, 0, 4);
  const std::size_t before = store->asked();
  for (int n = 0; n < 4; ++n) ask(function, n);

  go();

  EXPECT_EQ(store->asked() - before, 4U);
  for (const Asked& asked : asked_) EXPECT_TRUE(asked.call->found());
}

TEST_F(FarBatches, AreMissesWhereATierIsDown) {
  const auto store = std::make_shared<Store>();
  const auto function = function_over({store});
  fill(function, 0, 4);
  store->set(Temper::down);
  for (int n = 0; n < 4; ++n) ask(function, n);

  go();

  for (const Asked& asked : asked_) {
    EXPECT_FALSE(asked.call->found());
    EXPECT_TRUE(asked.call->unreachable());
  }
}

TEST_F(FarBatches, WaitForATierNoLongerThanOneCallWould) {
  const auto store = std::make_shared<Store>();
  const auto function = function_over({store});
  fill(function, 0, 4);
  store->set(Temper::slow);
  for (int n = 0; n < 4; ++n) ask(function, n);
  const auto begun = std::chrono::steady_clock::now();

  go();

  EXPECT_LT(std::chrono::steady_clock::now() - begun, 5s);
  EXPECT_EQ(store->held(), 1U);
  EXPECT_EQ(function->chain().stats()[0].timeouts, 4U);
  for (const Asked& asked : asked_) EXPECT_FALSE(asked.call->found());
  store->release();  // Late answers are nobody's.
}

TEST_F(FarBatches, CountOneFailureOfATierAsOne) {
  const auto store = std::make_shared<Store>();
  const auto function = function_over({store});
  fill(function, 0, 1);  // Its mark is known from here on.
  store->set(Temper::slow);
  for (int n = 0; n < 30; ++n) ask(function, n);

  go();

  EXPECT_EQ(function->chain().stats()[0].timeouts, 30U);
  EXPECT_STREQ(function->chain().stats()[0].breaker, "closed");
  store->release();
}

TEST_F(FarBatches, EraseAgainWhatIsFilledAfterAnInvalidation) {
  const auto near = std::make_shared<Store>("near"), far = std::make_shared<Store>("far");
  const auto function = function_over({near, far});
  fill(function_over({far}), 0, 3);
  fill(function, 20, 21);
  for (int n = 0; n < 3; ++n) {
    ask(function, n);
    FarCall::Look how;
    how.accept = [&, n](const Record&, bool) {
      if (n == 0) near->set(Temper::slow);  // The filling of it will hang.
      return RecordFault::none;
    };
    asked_.back().walk.emplace(asked_.back().call->look(std::move(how)));
  }
  go();
  ASSERT_EQ(near->held(), 1U);
  FarCall call(function, function->key(arguments(1)));
  near->budget_of_a_call = 10ms;
  EXPECT_THROW(run(call.erase()), dcache::InvalidationError);

  near->release();

  EXPECT_EQ(near->kept().count(function->key(arguments(1)).text), 0U);
}

TEST_F(FarBatches, OfOneAreLikeACall) {
  const auto store = std::make_shared<Store>();
  const auto function = function_over({store});
  fill(function, 7, 8);
  ask(function, 7);
  go();
  EXPECT_EQ(asked_[0].found, "14");
}

TEST_F(FarBatches, OfNoneEnd) { go(); }

}  // namespace
