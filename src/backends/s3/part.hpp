// SPDX-License-Identifier: MIT
/// An operation on its way to S3: what its parts have in common, whatever they ask. Each is an HTTP
/// exchange that is signed, sent, judged and maybe sent again.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dcache/engine/lock.hpp"
#include "dcache/engine/operation.hpp"

#include "backends/s3/http.hpp"
#include "backends/s3/store.hpp"
#include "backends/s3/verdict.hpp"

namespace dcache::s3 {

class Part;

/// The operation, until all of its parts have ended.
class Journey final : public engine::Counted, public engine::Carrier {
 public:
  /// `strict`: what the store refuses is a mistake of who set it up (`check`).
  Journey(std::shared_ptr<Store> store, const engine::Ref<engine::Op>& op, bool strict)
      : store_(std::move(store)), op_(op), verb_(op->verb()), strict_(strict) {}

  Store& store() const noexcept { return *store_; }
  bool strict() const noexcept { return strict_; }
  /// REQUIRES: a part has not ended.
  engine::Op& op() const noexcept { return *op_; }
  void begin();

  void part_ended() noexcept;
  /// `never`: nor will it be, as things are set up.
  void part_failed(const Verdict& why, bool never) noexcept;

  /// Whether this thread is within `begin`, and somebody is going to carry.
  bool is_begun_here() const noexcept;
  void carry(engine::SteadyMoment until) noexcept override;
  void left_alone() noexcept override { store_->client.hand_over(); }
  /// A look-up ends. A write goes on: what became of it has to be known.
  void given_up() noexcept override;

 private:
  void finish() noexcept;

  const std::shared_ptr<Store> store_;
  engine::Ref<engine::Op> op_;
  const engine::Verb verb_;
  const bool strict_;
  std::atomic<std::size_t> left_{0};
  engine::Lock lock_;
  std::vector<engine::Ref<Part>> parts_;  // Guarded by lock_, as all below.
  Verdict first_failure_;
  std::size_t failures_ = 0;
  bool never_ = false;
};

class Part : public http::Exchange {
 public:
  /// Of `count` items, from the first on.
  Part(engine::Ref<Journey> journey, std::size_t first, std::size_t count)
      : journey_(std::move(journey)), first_(first), count_(count) {}

  void begin() noexcept;
  void ended() noexcept final;

 protected:
  // Answered without a question.
  virtual bool known() { return false; }
  // What is asked, by the means below. Once for each attempt.
  virtual void ask(const Settings& settings) = 0;
  // What came of it. Each ends the part, or sends it once more, and is the last to touch it.
  virtual void done() = 0;
  virtual void missing() = 0;
  virtual void exists() = 0;
  // The server has no conditional writes.
  virtual void unconditional() = 0;

  engine::Item& item() const noexcept { return journey_->op().items[first_]; }
  engine::Op& op() const noexcept { return journey_->op(); }
  Store& store() const noexcept { return journey_->store(); }
  std::size_t first() const noexcept { return first_; }
  std::size_t count() const noexcept { return count_; }

  // --- Asking ---

  // For the item's object. `range`: only its first bytes.
  void get(std::string_view range = {});
  void erase();
  // `condition`: the name and the value of a header; none if the name is empty. `expires`: when the
  // object may be dropped.
  void put(std::string_view body, const sigv4::Field& condition, engine::WallTime expires);
  // For the bucket, not for an object.
  void post(std::string_view query, std::string_view body);

  // --- Ending, or not ---

  void send() noexcept;
  // Another attempt, unless there have been enough.
  void again(const Verdict& verdict);
  // Another way to the same end: at most twice, for objects come and go.
  void another_way(const Verdict& verdict);
  void answered(engine::Reply reply);
  void failed(const Verdict& verdict, bool never = false);

 private:
  void compose(const Settings& settings);
  void sign(const Settings& settings, const std::string& region);
  std::string hash_of_body();
  void act(Verdict verdict);
  void once_more(bool& before, const Verdict& verdict);
  void not_known(const Verdict& verdict);

  const engine::Ref<Journey> journey_;
  const std::size_t first_;
  const std::size_t count_;
  std::string value_hash_;  // For all attempts, if it was needed.
  std::shared_ptr<const Credentials> credentials_;
  std::string_view query_;  // As all of these: of the request at hand.
  bool conditional_ = false;
  bool tagged_ = false;
  int attempts_ = 0;
  int ways_ = 0;
  int moves_ = 0;
  bool without_tags_ = false;
  bool set_right_ = false;  // Our clock.
  bool renewed_ = false;    // The credentials.
};

}  // namespace dcache::s3
